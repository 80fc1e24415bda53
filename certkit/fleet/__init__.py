"""Many hosts: phases, waves, the failure budget, retries, events and the report."""
