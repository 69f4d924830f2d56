"""Tests of faults. After kills, full disks and failing reads the same command completes a run."""
