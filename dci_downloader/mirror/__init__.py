"""The mirror on disk: objects, versions, publication."""
