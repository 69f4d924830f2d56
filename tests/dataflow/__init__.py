"""Dataflow without Google: jobs as its service would get them, and a folder in place of buckets."""
