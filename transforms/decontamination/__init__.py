"""Documents that share long runs of words with evaluation sets."""
