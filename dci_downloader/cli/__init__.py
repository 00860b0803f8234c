"""The command line: the only wing that prints, and the only one that exits."""
