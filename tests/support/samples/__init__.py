"""Inputs of tests: real texts and pages, and small files made for them."""
