"""What a component holds and which part of it is wanted: rules without I/O."""
