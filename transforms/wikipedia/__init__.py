"""Steps for wikitext, and for the urls that Wikipedia cites."""
