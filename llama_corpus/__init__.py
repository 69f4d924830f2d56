"""The Python interface of llama-corpus, and the recipes and samples that come with it."""
