"""Every other outside system, one module each."""
