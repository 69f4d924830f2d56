"""Filters of web pages: rules of C4, Gopher, FineWeb and RefinedWeb, and block lists of urls."""
