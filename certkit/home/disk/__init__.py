"""The only place that writes into a home: whole files, several as one step, one run at a time."""
