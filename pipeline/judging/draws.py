"""Draws: equal numbers of tokens of every candidate, in whole documents, chosen by a hash.

Documents are taken in the order of a hash of their ids and the seed, so a document that two
candidates share is drawn early in both or late in both. The last document of a draw is cut, so that
all draws are of the same size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.errors import RunError
from pipeline.files.local_copy import local_copy
from pipeline.inspection.document_rows import open_tokens, read_rows
from pipeline.judging.candidates import Candidate
from pipeline.output.layout import DROPPED
from tokenizer.opening import Encoder, open_encoder

Ids = npt.NDArray[Any]

SLACK = 0.25
"""Share that is drawn beyond the tokens wanted, of documents whose tokens are estimated."""


def encoder_of(candidate: Candidate) -> Encoder:
    """Load the tokenizer of a candidate's run."""
    tokenizer = candidate.manifest["tokenizer"]
    special_in_text = tokenizer.get("special_tokens_in_text") == "encode"
    return open_encoder(local_copy(tokenizer["model"]), special_in_text=special_in_text)


def draw(candidate: Candidate, tokens: int, seed: int) -> npt.NDArray[np.int64]:
    """Draw documents that have ``tokens`` tokens together, in the order of their hashes."""
    order = np.argsort(_mixed(candidate.key, seed), kind="stable")
    is_estimated = any(file.part == DROPPED for file in candidate.files)
    wanted = int(tokens * (1 + SLACK)) if is_estimated else tokens
    n_documents = int(np.searchsorted(np.cumsum(candidate.tokens[order]), wanted)) + 1
    return order[:n_documents].astype(np.int64)


def _mixed(keys: npt.NDArray[np.uint64], seed: int) -> npt.NDArray[np.uint64]:
    """Hash keys with a seed: the finaliser of SplitMix64."""
    value = keys + np.uint64((seed + 1) * 0x9E3779B97F4A7C15 % 2**64)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


def tokens_of(candidate: Candidate, wanted: npt.NDArray[np.int64]) -> dict[int, Ids]:
    """Return the tokens of some documents, without marks of begin and end, by their numbers.

    Those of dropped documents are made of the text that the step saw, which is read from the input
    again.
    """
    found: dict[int, Ids] = {}
    for number, file in enumerate(candidate.files):
        here = wanted[candidate.file[wanted] == number]
        if not len(here):
            continue
        if file.part == DROPPED:
            found.update(_tokens_when_dropped(candidate, number, here))
            continue
        reader = open_tokens(candidate.output, file)
        marks = candidate.manifest["tokenizer"]
        for document in here.tolist():
            ids = reader[int(candidate.row[document])]
            found[document] = ids[int(marks["bos"]) : len(ids) - int(marks["eos"])]
    return found


def _tokens_when_dropped(
    candidate: Candidate, number: int, wanted: npt.NDArray[np.int64]
) -> dict[int, Ids]:
    from pipeline.inspection.dropped_texts import texts_when_dropped  # with numba and readers

    file = candidate.files[number]
    records = read_rows(file, candidate.row[wanted].tolist())
    step_of = {record["id"]: record["step"] for record in records.values()}
    texts = texts_when_dropped(candidate.output, file.source, file.shard, step_of)
    ordered = [texts[records[int(candidate.row[document])]["id"]] for document in wanted.tolist()]
    ids, offsets = encoder_of(candidate).encode(
        pa.array(ordered, pa.string()), bos=False, eos=False
    )
    return {
        document: ids[offsets[i] : offsets[i + 1]] for i, document in enumerate(wanted.tolist())
    }


def cut_to(
    candidate: Candidate, tokens: int, drawn: npt.NDArray[np.int64], ids_of: dict[int, Ids]
) -> list[Ids]:
    """Return the first ``tokens`` tokens of drawn documents. Raises RunError for fewer."""
    taken: list[Ids] = []
    left = tokens
    for document in drawn.tolist():
        if left <= 0:
            break
        ids = ids_of[document][:left]
        left -= len(ids)
        taken.append(ids)
    if left > 0:
        raise RunError(f"{candidate.name}: {tokens - left:,} tokens where {tokens:,} are wanted")
    return taken


def joined_documents(ids: Sequence[Ids]) -> tuple[Ids, npt.NDArray[np.int64]]:
    """Return documents' tokens one after another, and where each begins and the last ends."""
    offsets = np.cumsum([0, *map(len, ids)], dtype=np.int64)
    return np.concatenate([np.zeros(0, np.int64), *ids]), offsets
