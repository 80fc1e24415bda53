"""Whether a host is who it says."""
