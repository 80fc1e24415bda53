"""Certificates: profiles, issuing, bundles, inspection. No I/O; the clock is passed in."""
