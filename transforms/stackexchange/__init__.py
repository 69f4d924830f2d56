"""StackExchange: joining questions and answers to documents, and turning their HTML into text."""
