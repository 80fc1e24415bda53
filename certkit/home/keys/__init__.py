"""Private keys on disk, and where their passphrases come from."""
