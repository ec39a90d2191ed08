"""Frozen typed data: names, conditions, plans. Imports nothing of ours."""
