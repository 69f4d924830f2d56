"""Scores by models: language, class and perplexity."""
