"""The Python interface of llama-corpus: run a recipe, and look at what came out, as Arrow.

    from llama_corpus import open_corpus, run

    corpus = run("recipes/demo.yaml", "out/demo")
    for documents in corpus.documents(source="c4"):
        ...

The bundled recipes and samples lie in this package as well.
"""

from llama_corpus.corpus import Corpus, open_corpus
from llama_corpus.running import run

__all__ = ["Corpus", "open_corpus", "run"]
