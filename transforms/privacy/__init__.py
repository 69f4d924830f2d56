"""Scrubbing of personal data, and opt-out lists."""
