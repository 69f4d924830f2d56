"""Questions and answers joined to documents, and their HTML as text."""
