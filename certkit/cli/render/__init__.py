"""How a run is shown: progress and words on stderr, the report on stdout."""
