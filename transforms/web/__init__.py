"""Filters of web pages: the rules of C4, Gopher, FineWeb and RefinedWeb, and lists of addresses."""
