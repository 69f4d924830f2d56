"""Beam's runners, their worker processes, and messages about errors that stop a command."""
