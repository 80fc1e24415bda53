"""Certificates that another authority signs: asked for, read and taken into the home."""
