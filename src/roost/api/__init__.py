"""The HTTP API: factory, authentication, mounted routes."""
