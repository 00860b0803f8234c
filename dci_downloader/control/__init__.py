"""The control server: signed calls to it, and which components a topic pattern or a job means."""
