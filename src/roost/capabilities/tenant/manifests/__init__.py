"""Builders of what a Tenant becomes, one module per kind of thing. Pure."""
