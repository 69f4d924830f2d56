"""The passes of a run: plan, join, decisions of the first pass, build, mixture."""
