"""Runs of texts that tests choose, in the form of a run's output, and texts to choose from."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import islice
from pathlib import Path

import sentencepiece

from pipeline.files.storage import json_bytes
from pipeline.output.layout import MANIFEST_NAME, sealed
from tests.support.runs import ROOT
from tests.support.samples.corpora import write_corpus

TOKENIZER = ROOT / "samples" / "models" / "tokenizer.model"


@cache
def _processor() -> sentencepiece.SentencePieceProcessor:
    return sentencepiece.SentencePieceProcessor(model_proto=TOKENIZER.read_bytes())


def write_run(folder: Path, texts: Mapping[str, Sequence[str]]) -> Path:
    """Write a run whose sources have these texts, with the bundled tokenizer."""
    processor = _processor()
    documents = {
        source: [[processor.encode(text, add_bos=True, add_eos=True) for text in of_source]]
        for source, of_source in texts.items()
    }
    folder.mkdir(parents=True)
    write_corpus(folder, documents, dict.fromkeys(texts, 1 / len(texts)), 1000)
    manifest = json.loads((folder / MANIFEST_NAME).read_text())
    digest = hashlib.sha256(TOKENIZER.read_bytes()).hexdigest()
    manifest["tokenizer"] |= {"model": str(TOKENIZER), "sha256": digest}
    for source, of_source in documents.items():
        manifest["sources"][source]["train_tokens"] = sum(map(len, of_source[0]))
    (folder / MANIFEST_NAME).write_bytes(json_bytes(sealed(manifest)))
    return folder


def write_texts(file: Path, texts: Sequence[str]) -> Path:
    """Write texts as JSON lines."""
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return file


def wikipedia_texts(shared_data: Path, n: int, least_chars: int = 1500) -> list[str]:
    """Return real articles in English of at least so many characters."""
    (file,) = (shared_data / "wiki_text").glob("*.txt.gz")
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        articles = re.split(r"</doc>\n", "".join(islice(lines, 60_000)))
    texts = [re.sub(r"<doc [^>]*>\n", "", article).strip() for article in articles[:-1]]
    return [text for text in texts if len(text) >= least_chars][:n]


def count_tokens(text: str) -> int:
    """Count the tokens of a text by the bundled tokenizer."""
    return len(_processor().encode(text))
