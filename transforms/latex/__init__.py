"""Steps for LaTeX sources: comments, macros, and what is cut off."""
