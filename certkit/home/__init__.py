"""The directory on disk: layout, modes, the lock, atomic writes, key encryption, the journal."""
