"""`certkit backup` and `restore`: one encrypted file."""
