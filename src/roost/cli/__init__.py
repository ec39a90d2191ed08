"""The command line: entry with lazy groups."""
