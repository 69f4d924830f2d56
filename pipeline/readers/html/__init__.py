"""HTML as text: pages of the web and chapters of books."""
