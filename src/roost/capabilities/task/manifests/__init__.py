"""Manifests of tasks."""
