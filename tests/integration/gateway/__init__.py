"""The gateway and the end of instances, with the real programs."""
