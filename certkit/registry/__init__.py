"""The registry's side: its certificate put in service, and what is really served."""
