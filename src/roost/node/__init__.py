"""The embedded cluster: build, start, join, stop, wipe."""
