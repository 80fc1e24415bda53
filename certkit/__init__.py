"""certkit: TLS trust for private container registries."""

__version__ = "0.1.0"
