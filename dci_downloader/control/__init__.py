"""The control server: its calls, and the way from a topic pattern to components."""
