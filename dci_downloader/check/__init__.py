"""Checks: whether a run will work, asked of settings, servers, disk and machine, one bounded probe each."""
