"""Models made from a recipe's own documents: samples, and what is trained on them."""
