"""Recipes, samples and models that come with the package, in a checkout as where it is installed.

The folders ``recipes`` and ``samples`` of a checkout are package data of ``llama_corpus``, in which
links lead to them.
"""

from __future__ import annotations

from pathlib import Path

BUNDLED = Path(__file__).resolve().parents[2] / "llama_corpus"
"""Folder in which the recipes and the samples lie."""


def bundled(name: str) -> str:
    """Return the path of a bundled file, such as ``recipes/demo.yaml``."""
    return str((BUNDLED / name).resolve())
