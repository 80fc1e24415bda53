"""What a host should look like, as data: one module per container runtime."""
