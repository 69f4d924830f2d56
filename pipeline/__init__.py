"""The pipeline: recipes, readers, the passes over the input, the output files, and the commands."""
