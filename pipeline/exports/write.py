"""Writing of an export: a folder that appears only when it is complete."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.exports.chunked import write_litdata, write_mds
from pipeline.exports.corpus_parts import Corpus, open_corpus
from pipeline.exports.flat import write_megatron, write_nanotron, write_olmo
from pipeline.files import storage
from pipeline.inspection.piece_table import read_tokenizer
from tokenizer.checking import marks_of

DESCRIPTION_NAME = "export.json"
"""Name of the file that describes an export."""


def export(
    output: str,
    target: Path,
    *,
    file_format: str,
    sources: Sequence[str] | None = None,
    part: str = "train",
    copy: bool = False,
    sequence_length: int | None = None,
    tokenizer: str | None = None,
    tokens: bool = False,
    mixture: str | None = None,
) -> dict[str, Any]:
    """Write the shards of a run to the folder ``target`` in a format; return a description.

    ``copy`` forbids hard links to the shards. ``sequence_length`` is for ``mds``, ``tokenizer`` for
    ``nanotron``, ``tokens`` for ``hf``. ``mixture`` names the mixture whose proportions are
    written, by default the newest. The folder is written under another name and then renamed.
    Raises ValueError if it is not empty, or if the run's folder has a fault.
    """
    target = target.resolve()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ValueError(f"{target} is there already; remove it, or give another folder")
    corpus = open_corpus(output, sources, part, by_domain=file_format != "hf", mixture=mixture)
    unfinished = target.with_name(f"{target.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    description = _description(corpus, file_format)
    try:
        if file_format == "megatron":
            write_megatron(corpus, unfinished, target, copy=copy)
        elif file_format == "nanotron":
            write_nanotron(corpus, unfinished, copy=copy, tokenizer=tokenizer)
        elif file_format == "olmo":
            write_olmo(corpus, unfinished, copy=copy)
        elif file_format == "litdata":
            write_litdata(corpus, unfinished)
        elif file_format == "mds":
            write_mds(corpus, unfinished, sequence_length=sequence_length)
        else:
            from pipeline.exports.hugging_face import write_hugging_face

            write_hugging_face(corpus, unfinished, tokens=tokens)
        (unfinished / DESCRIPTION_NAME).write_bytes(storage.json_bytes(description))
        unfinished.rename(target)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return description


def _description(corpus: Corpus, file_format: str) -> dict[str, Any]:
    manifest = corpus.manifest
    return {
        "format": file_format,
        "part": corpus.part,
        "corpus": manifest["sha256"],
        "tokenizer": {**manifest["tokenizer"], **_mark_ids(manifest)},
        "token_type": corpus.dtype.name,
        "sources": {
            source: {
                "documents": sum(part.n_documents for part in parts),
                "tokens": sum(part.n_tokens for part in parts),
                "proportion": corpus.proportions[source],
            }
            for source, parts in corpus.sources.items()
        },
    }


def _mark_ids(manifest: dict[str, Any]) -> dict[str, int | None]:
    """Return the ids of begin and end of sequence, None for a mark that the tokenizer lacks.

    There are none where the tokenizer is not here, which only some formats need.
    """
    try:
        data = read_tokenizer(manifest)
    except ValueError:
        return {}
    bos, eos = marks_of(data, manifest["tokenizer"]["model"])
    return {"bos_id": bos, "eos_id": eos}
