"""What the commands do with a home, its fleet and its registry together; nothing here prints."""
