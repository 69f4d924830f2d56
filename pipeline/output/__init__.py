"""The output folder of a run: its layout, its lock, its files, and how they are written."""
