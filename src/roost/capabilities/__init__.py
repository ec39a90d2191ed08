"""One folder per ability; found by discovery."""
