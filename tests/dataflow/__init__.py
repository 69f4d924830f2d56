"""Tests of Dataflow without Google: a stand-in of the service, and a folder in place of buckets."""
