"""Steps that score documents with models: language, class and perplexity."""
