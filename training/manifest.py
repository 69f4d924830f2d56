"""What a run's ``manifest.json`` says of its token shards, read without indexing anything.

The manifest is the pipeline's (``llama-corpus manifest, version 1``). For a corpus of 1.4T tokens
it lists some thousand shards, and the digests of as many decision files as there were splits of
input, by far its longest part, which nothing here needs and which is not parsed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, NamedTuple

FORMAT = "llama-corpus manifest, version 1"
MANIFEST_NAME = "manifest.json"


class CorpusFile(NamedTuple):
    """A file of the output folder."""

    name: str  # relative to the folder
    n_bytes: int
    sha256: str


class Shard(NamedTuple):
    """One part, train or validation, of a shard."""

    source: str
    n_documents: int
    n_tokens: int
    tokens: CorpusFile  # the .bin file
    documents: CorpusFile  # docs.parquet

    @property
    def token_bytes(self) -> int:
        """Bytes of a token in the ``.bin`` file: 2 (uint16) or 4 (int32)."""
        return self.tokens.n_bytes // self.n_tokens


class Manifest(NamedTuple):
    """What training needs to know of a corpus."""

    fingerprint: str  # SHA-256 that the manifest says of itself
    token_budget: int
    proportions: dict[str, Fraction]  # of the sampled tokens, by source; they add up to 1
    tokenizer: Mapping[str, Any]  # model, sha256, vocabulary_size, bos, eos
    shards: list[Shard]  # of the part asked for, those with tokens, in the corpus's order


def parse_manifest(data: bytes, part: str) -> Manifest:
    """Parse a manifest and list the shards of a part, ``train`` or ``validation``.

    Raises ValueError where it is damaged or of another format.
    """
    try:
        manifest = json.loads(_without_digests(data))
        if manifest["format"] != FORMAT:
            raise ValueError(f"its format is {manifest['format']!r}, expected {FORMAT!r}")
        proportions = {
            name: Fraction(str(source["proportion"]))
            for name, source in manifest["sources"].items()
        }
        total = sum(proportions.values())
        return Manifest(
            fingerprint=manifest["sha256"],
            token_budget=manifest["token_budget"],
            proportions={name: share / total for name, share in proportions.items()},
            tokenizer=manifest["tokenizer"],
            shards=[
                _shard(entry["source"], entry["parts"][part])
                for entry in manifest["shards"]
                if part in entry["parts"] and entry["parts"][part]["tokens"]
            ],
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a manifest of this format: {error!r}") from None


def _without_digests(data: bytes) -> bytes:
    """Leave out the content of the mapping ``files``, as the pipeline writes it (indent 1).

    In that form no other line begins so; in any other form all is kept.
    """
    begin = b'\n "files": {'
    start = data.find(begin + b"\n")
    end = data.find(b"\n }", start)
    return data if start < 0 or end < 0 else data[: start + len(begin)] + data[end:]


def _shard(source: str, part: Mapping[str, Any]) -> Shard:
    files = {
        name.split(".", 1)[-1]: CorpusFile(name, file["bytes"], file["sha256"])
        for name, file in part["files"].items()
    }
    shard = Shard(source, part["documents"], part["tokens"], files["bin"], files["docs.parquet"])
    if shard.tokens.n_bytes not in (2 * shard.n_tokens, 4 * shard.n_tokens):
        raise ValueError(
            f"{shard.tokens.name}: {shard.tokens.n_bytes} bytes cannot be {shard.n_tokens} tokens "
            "of 2 or 4 bytes"
        )
    return shard
