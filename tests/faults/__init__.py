"""Kills, full disks and failing reads: whatever stops a run, the same command ends it."""
