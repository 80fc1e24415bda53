"""How a host's trust differs from what it should be: what was surveyed in, findings out. Pure."""
