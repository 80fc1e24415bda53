"""The POSIX sh program that runs on a host, and the protocol that it speaks."""
