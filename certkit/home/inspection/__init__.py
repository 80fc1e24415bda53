"""`certkit inspect`: a file, a registry, the home or a live server, as data."""
