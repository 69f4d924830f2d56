"""The manifest of a corpus, ``manifest.json``: its token shards, proportions and tokenizer.

The pipeline writes the manifest (``llama-corpus manifest, version 1``). For a corpus of 1.4T tokens
it lists some thousand shards. Its longest part by far is the digests of all files, which include a
decision file for every split of the input. Training does not need them, and they are not parsed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, NamedTuple

FORMAT = "llama-corpus manifest, version 1"
MANIFEST_NAME = "manifest.json"


def manifest_name(mixture: str | None) -> str:
    """Return the name of the manifest of a mixture, None for the newest.

    The pipeline keeps the manifests of a corpus that has had several. Raises ValueError for a name
    that no mixture can have.
    """
    if mixture is None:
        return MANIFEST_NAME
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", mixture):
        raise ValueError(f"mixture {mixture}: not the name of a mixture")
    return f"mixtures/{mixture}.json"


class CorpusFile(NamedTuple):
    """A file of the output folder."""

    name: str  # relative to the folder
    n_bytes: int
    sha256: str


class DomainRange(NamedTuple):
    """The documents of one domain in a shard, which stand together."""

    domain: str
    begin: int  # in tokens
    n_tokens: int


class Shard(NamedTuple):
    """One part of a shard: ``train`` or ``validation``."""

    source: str
    n_documents: int
    n_tokens: int
    tokens: CorpusFile  # the .bin file
    documents: CorpusFile  # docs.parquet
    domains: tuple[DomainRange, ...] = ()  # none where the source is not divided

    @property
    def token_bytes(self) -> int:
        """The bytes of a token in the ``.bin`` file: 2 (uint16) or 4 (int32)."""
        return self.tokens.n_bytes // self.n_tokens


class Manifest(NamedTuple):
    """The parts of a manifest that training needs."""

    fingerprint: str  # SHA-256 of the manifest, as it states itself
    token_budget: int
    proportions: dict[str, Fraction]  # share of each source in the sampled tokens; they add up to 1
    domains: dict[str, dict[str, Fraction]]  # shares of domains in the tokens of divided sources
    tokenizer: Mapping[str, Any]  # model, sha256, vocabulary_size, bos, eos
    shards: list[Shard]  # shards of the requested part that have tokens, in the corpus's order


def parse_manifest(data: bytes, part: str) -> Manifest:
    """Parse a manifest, with the shards of one part, ``train`` or ``validation``.

    Raises ValueError where it is damaged, has another format, or is of shards of text.
    """
    try:
        manifest = json.loads(_without_digests(data))
        if manifest["format"] != FORMAT:
            raise ValueError(f"its format is {manifest['format']!r}, expected {FORMAT!r}")
        if manifest["tokenizer"] is None:
            raise ValueError(
                "its shards are text; 'corpus retokenize OUT --tokenizer FILE --output OUT2' makes "
                "tokens of them"
            )
        return Manifest(
            fingerprint=manifest["sha256"],
            token_budget=manifest["token_budget"],
            proportions=_shares(manifest["sources"]),
            domains={
                name: _shares(source["domains"])
                for name, source in manifest["sources"].items()
                if "domains" in source
            },
            tokenizer=manifest["tokenizer"],
            shards=[
                _shard(entry["source"], entry["parts"][part])
                for entry in manifest["shards"]
                if part in entry["parts"] and entry["parts"][part]["tokens"]
            ],
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a manifest of this format: {error!r}") from None


def _shares(entries: Mapping[str, Any]) -> dict[str, Fraction]:
    """Return the proportions of sources, or of domains, scaled to add up to exactly one."""
    shares = {name: Fraction(str(entry["proportion"])) for name, entry in entries.items()}
    total = sum(shares.values())
    return {name: share / total if total else share for name, share in shares.items()}


def _without_digests(data: bytes) -> bytes:
    """Return the manifest without the content of the mapping ``files``.

    The mapping is recognised in the form in which the pipeline writes it (indent 1), where no other
    line begins in the same way. In any other form everything is kept.
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
    domains = tuple(
        DomainRange(one["domain"], one["token_offset"], one["tokens"])
        for one in part.get("domains", ())
    )
    shard = Shard(
        source,
        part["documents"],
        part["tokens"],
        files["bin"],
        files["docs.parquet"],
        domains,
    )
    if shard.tokens.n_bytes not in (2 * shard.n_tokens, 4 * shard.n_tokens):
        raise ValueError(
            f"{shard.tokens.name}: {shard.tokens.n_bytes} bytes cannot be {shard.n_tokens} tokens "
            "of 2 or 4 bytes"
        )
    return shard
