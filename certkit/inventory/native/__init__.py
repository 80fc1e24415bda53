"""certkit's own inventory format."""
