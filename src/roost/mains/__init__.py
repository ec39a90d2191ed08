"""One module per process: read settings, wire, run."""
