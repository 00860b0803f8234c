"""Another mirror in the place of the control server: what it holds, read from its static files."""
