"""Tests that need more than one package, and the runner of all parts."""
