"""Tests of the installer that need no cluster."""
