"""Hosted git over HTTP: repositories, moves of refs, the Runs they lead to."""
