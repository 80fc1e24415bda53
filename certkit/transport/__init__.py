"""One connection to one host: SSH or local, host keys, logins, privilege."""
