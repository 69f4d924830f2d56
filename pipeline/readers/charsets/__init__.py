"""Character encodings of web pages: which one a page has, and its letters."""
