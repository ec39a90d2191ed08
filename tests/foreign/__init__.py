"""Roost in clusters that it did not make: installed, used, upgraded, removed. `pytest -m full tests/foreign`."""
