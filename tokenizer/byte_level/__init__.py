"""Byte-level BPE: the ids of ``tokenizer.json`` and tiktoken files, by kernels."""
