"""Manifests of the embedded cluster and the platform as pure builders: typed values in, plain objects out.

No client, clock, random or settings here. `roost.node.platform` puts them together.
"""
