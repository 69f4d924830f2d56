"""Stages of a training run: its budgets, mixtures, lengths and learning rates, one by one."""
