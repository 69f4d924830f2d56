"""Models trained on samples of a recipe's own documents, and their cards."""
