"""Training of CCNet's two models: SentencePiece unigram pieces, and a KenLM 5-gram over pieces.

CCNet (arXiv 1911.00359) trains both on normalised Wikipedia articles. Each article is one sentence
of the model, as each document is in scoring. CCNet takes the first part of an article; here it is
the whole text. KenLM's program ``lmplz`` counts the n-grams (Heafield et al., 2013, "Scalable
Modified Kneser-Ney Language Model Estimation").
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import RunError
from tokenizer.encode import load_encoder
from transforms.kernels.codepoints import normalise_for_lm

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("lmplz", "build_binary")
"""KenLM's programs that training needs."""


def kenlm_tools(folder: str | None) -> Path:
    """Return the folder of KenLM's programs: the given one, else the project's own, else on PATH.

    Raises RunError if the programs are not there; the message says how to build them.
    """
    on_path = shutil.which(TOOLS[0])
    own = ROOT / "build" / "kenlm" / "bin"
    candidates = [Path(folder)] if folder else [own, *([Path(on_path).parent] if on_path else [])]
    for candidate in candidates:
        if all(os.access(candidate / tool, os.X_OK) for tool in TOOLS):
            return candidate
    where = f"{folder} does not hold" if folder else "this machine does not have"
    raise RunError(
        f"{where} KenLM's programs {' and '.join(TOOLS)}: 'make kenlm-tools' builds them, "
        "or give their folder with --kenlm"
    )


def lines_for_pieces(batches: Iterable[pa.RecordBatch], max_bytes: int) -> Iterator[str]:
    """Yield the normalised lines of documents, without empty ones, up to about ``max_bytes``."""
    taken = 0
    for batch in batches:
        if taken >= max_bytes:
            return
        lines = normalise_for_lm(pc.list_flatten(pc.split_pattern(batch["text"], "\n")))
        lines = lines.filter(pc.greater(pc.binary_length(lines), 0))
        taken += int(pc.sum(pc.binary_length(lines)).as_py() or 0)
        yield from lines.to_pylist()


def count_ngrams(
    batches: Iterable[pa.RecordBatch], pieces: str, arpa: Path, tools: Path, *,
    order: int, prune: Sequence[int], memory: str,
) -> None:  # fmt: skip
    """Estimate an n-gram model in which each document is one sentence; write it as an ARPA file.

    ``prune`` has a count for each order; n-grams seen at most that often are removed. ``memory`` is
    the memory in which ``lmplz`` sorts, in its own notation (``1G``, ``50%``). Raises RunError if
    ``lmplz`` fails.
    """
    encoder = load_encoder(pieces)
    sentences = (
        row
        for batch in batches
        for row, _ in encoder.encode_as_sentences(normalise_for_lm(batch["text"]))
    )
    estimate_ngrams(
        sentences, arpa, tools, order=order, memory=memory, more=["--prune", *map(str, prune)]
    )


def estimate_ngrams(
    sentences: Iterable[bytes], arpa: Path, tools: Path, *,
    order: int, memory: str, more: Sequence[str] = (),
) -> None:  # fmt: skip
    """Estimate an n-gram model of sentences, each of words with spaces between, as an ARPA file.

    ``more`` are further options of ``lmplz``. Raises RunError if it fails.
    """
    command = [str(tools / "lmplz"), "--order", str(order), *more,
               "--memory", memory, "--discount_fallback", "--skip_symbols"]  # fmt: skip
    with tempfile.TemporaryDirectory(dir=arpa.parent) as scratch, arpa.open("wb") as target:
        log = Path(scratch, "log")
        with log.open("wb") as errors:
            process = subprocess.Popen(
                [*command, "--temp_prefix", f"{scratch}/"], stdin=subprocess.PIPE, stdout=target,
                stderr=errors,
            )  # fmt: skip
            assert process.stdin is not None
            try:
                for one in sentences:
                    process.stdin.write(one + b"\n")
                process.stdin.close()
            except BrokenPipeError:
                pass  # the reason is in its log
            finally:
                status = process.wait()
        if status:
            raise RunError(f"lmplz: {_last_line(log.read_text('utf-8', 'replace'))}")


def build_binary(
    arpa: Path, binary: Path, tools: Path, *, structure: str, quantise_bits: int
) -> None:
    """Convert an ARPA file to KenLM's binary format, a ``probing`` hash table or a ``trie``.

    A trie's probabilities and back-offs are quantised to ``quantise_bits`` bits; 0 means that they
    are not. Raises RunError if ``build_binary`` fails.
    """
    options: list[str | Path] = []
    if structure == "trie":
        options = ["-a", "22", "-T", f"{binary.parent}/", "-S", "1G"]
        if quantise_bits:
            options += ["-q", str(quantise_bits), "-b", str(quantise_bits)]
    command = [tools / "build_binary", *options, structure, arpa, binary]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RunError(f"build_binary: {_last_line(done.stderr)}")


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "failed without a word"
