"""What a component holds and which of it is wanted: rules without I/O."""
