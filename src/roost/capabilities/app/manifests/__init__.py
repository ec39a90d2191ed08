"""Builders of what an App becomes, one module per manifest. Pure."""
