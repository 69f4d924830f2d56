"""Decontamination: dropping documents that share long runs of words with evaluation sets."""
