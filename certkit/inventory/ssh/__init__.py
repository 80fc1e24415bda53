"""What OpenSSH's own configuration says of hosts."""
