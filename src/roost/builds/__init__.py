"""What happens inside a run: detection, Containerfiles, the steps."""
