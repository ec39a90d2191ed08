"""One folder per managed-service type; found by discovery."""
