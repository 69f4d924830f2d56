"""Steps for LaTeX sources: removing comments, expanding macros, cutting a paper to its body."""
