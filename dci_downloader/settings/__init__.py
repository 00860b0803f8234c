"""Settings: one table of them, the YAML reader, and which source counts over which."""
