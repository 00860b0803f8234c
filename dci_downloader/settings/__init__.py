"""Settings: the table of them, the reader of settings files, and which source takes precedence."""
