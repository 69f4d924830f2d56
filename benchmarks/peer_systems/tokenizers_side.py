"""Encodes texts twice with one library, on one thread; each library's own Python runs it.

    python tokenizers_side.py sentencepiece|tokenizers|tiktoken|here TEXTS OUTPUT MODEL

The first pass begins with the model just loaded, the second with what the first has cached.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

STARTED = float(os.environ.get("PEERS_STARTED", time.time()))
BATCH = 400

Encode = Callable[[list[str]], Any]
"""From texts to their ids: a sequence a text, or all of them and where each text's begin."""

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


def sentencepiece(model: Path) -> Encode:
    """Encode with SentencePiece's own batches, to numpy, the fastest form that it has."""
    from sentencepiece import SentencePieceProcessor

    processor = SentencePieceProcessor(model_file=str(model))
    return lambda texts: processor.encode_as_numpy(texts, num_threads=1)


def tokenizers(model: Path) -> Encode:
    """Encode with Hugging Face's library, which is not asked where in the text a token is."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(model))
    return lambda texts: [e.ids for e in tokenizer.encode_batch_fast(texts)]


def tiktoken(model: Path) -> Encode:
    """Encode with tiktoken, and the pattern that the model's name says."""
    from tiktoken import Encoding
    from tiktoken.load import load_tiktoken_bpe

    from tokenizer.byte_level.known_patterns import PATTERNS

    (pattern,) = PATTERNS[model.name.split(".")[-2]]
    ranks = load_tiktoken_bpe(str(model))
    encoding = Encoding("trained", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    return lambda texts: encoding.encode_ordinary_batch(texts, num_threads=1)


def here(model: Path) -> Encode:
    """Encode with this project's encoder."""
    import pyarrow as pa

    from tokenizer.opening import encoder_of

    data = model.read_bytes()
    # Kernels are loaded ahead of the clock, as the other libraries' code is.
    encoder_of(data, model.name).encode(pa.array(["Some words."]), bos=False, eos=False)
    encoder = encoder_of(data, model.name)
    return lambda texts: encoder.encode(pa.array(texts), bos=False, eos=False)


LIBRARIES: dict[str, Callable[[Path], Encode]] = {
    "sentencepiece": sentencepiece,
    "tokenizers": tokenizers,
    "tiktoken": tiktoken,
    "here": here,
}


def rows(found: Any) -> Iterator[Any]:
    """Yield the ids of every text of a batch."""
    if not isinstance(found, tuple):
        yield from found
        return
    ids, offsets = found
    for start, end in pairwise(offsets):
        yield ids[start:end]


def digests(batches: Iterable[Any]) -> Iterator[tuple[str, int]]:
    """Yield a hash of every text's ids, and how many they are."""
    import numpy as np

    for found in batches:
        for row in rows(found):
            data = np.asarray(row, np.uint32).tobytes()
            yield hashlib.blake2b(data, digest_size=8).hexdigest(), len(data) // 4


def main() -> None:
    library, (texts, output, model) = sys.argv[1], map(Path, sys.argv[2:])
    encode = LIBRARIES[library](model)
    with texts.open(encoding="utf-8") as file:
        read = [json.loads(line)["text"] for line in file]
    batches = [read[i : i + BATCH] for i in range(0, len(read), BATCH)]
    seconds, core_seconds = {"start": time.time() - STARTED}, {}
    for name in ("first", "second"):
        started, of_core = time.perf_counter(), time.process_time()
        found = [encode(batch) for batch in batches]
        seconds[name] = time.perf_counter() - started
        core_seconds[name] = time.process_time() - of_core
    of_texts = list(digests(found))
    output.mkdir(parents=True)
    done = {
        "seconds": seconds,
        "core_seconds": core_seconds,
        "digests": [digest for digest, _ in of_texts],
        "tokens": sum(n for _, n in of_texts),
    }
    (output / "done.json").write_text(json.dumps(done))


if __name__ == "__main__":
    main()
