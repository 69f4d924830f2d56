"""A look at somebody's files: what kinds there are, with which columns, in which languages."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.files.bundled import bundled
from pipeline.readers import READERS
from pipeline.readers.containers.decompress import is_compressed
from pipeline.starting.columns import Columns, columns_of
from pipeline.starting.demo_sources import WITH_COLUMNS, reader_parameters
from pipeline.starting.kinds import LOOKED_AT, reader_of, records_of

LANGUAGE_MODEL = "samples/models/lid.176.ftz"
"""The bundled model that tells languages."""

_BATCH_BYTES = 1 << 20
_MAX_RECORD_BYTES = 1 << 24
_SUFFIX = re.compile(r"\.[A-Za-z0-9]+(\.(gz|zst|bz2|7z))?$")


@dataclass(frozen=True)
class Found:
    """Files of one kind, which make a source."""

    name: str
    reader: str
    inputs: tuple[str, ...]  # patterns, below the folder of all
    n_files: int
    n_bytes: int
    is_compressed: bool
    columns: Columns | None  # of records with columns
    looked_at: int  # records, of one file
    texts: int  # those that are documents
    languages: Mapping[str, int]  # how many of these are in it

    @property
    def shape(self) -> tuple[str, Columns | None]:
        """What files of one source have in common."""
        return self.reader, self.columns


def folder_of(paths: Sequence[str]) -> Path:
    """Return the folder that all of the paths lie in. Raises ValueError where one is not there."""
    for path in paths:
        if "://" in path:
            raise ValueError(f"{path}: give files on this machine; the recipe may name others then")
        if not Path(path).exists():
            raise ValueError(f"{path}: there is no such file or folder")
    folders = [one if one.is_dir() else one.parent for one in (Path(p).resolve() for p in paths)]
    return Path(os.path.commonpath(folders))


def find(paths: Sequence[str]) -> tuple[list[Found], list[str]]:
    """Look at files, and at those in folders; return what makes sources, and what was passed over.

    Of the files in a folder with one suffix the first is looked at. Raises ValueError where nothing
    can be read.
    """
    top = folder_of(paths)
    found: dict[tuple[str, Columns | None], list[tuple[Found, list[Path]]]] = {}
    passed_over = []
    for (_, suffix), group in groupby(sorted(_files(paths), key=_class), key=_class):
        files = list(group)
        try:
            looked = _look(files, suffix)
        except (ValueError, OSError, pa.ArrowException) as error:
            passed_over.append(f"{files[0]}: {error}")
            continue
        if looked is None:
            more = f", and {len(files) - 1:,} more" if len(files) > 1 else ""
            passed_over.append(f"{files[0]}{more}: no reader reads such files")
        else:
            found.setdefault(looked.shape, []).append((looked, files))
    if not found:
        raise ValueError("; ".join(passed_over[:3]) or f"{', '.join(paths)}: no files there")
    given = [Path(path).resolve() for path in paths]
    names: Counter[str] = Counter()
    sources = []
    for parts in found.values():
        base = re.sub(r"[^A-Za-z0-9_-]+", "_", _name(parts, top, alone=len(found) == 1))
        names[base] += 1
        name = base if names[base] == 1 else f"{base}_{names[base]}"
        sources.append(_joined(name, parts, top, given))
    return sources, passed_over


def _files(paths: Sequence[str]) -> Iterator[Path]:
    """Yield the files at the paths and below; hidden ones and empty ones are left out."""
    for path in (Path(p).resolve() for p in paths):
        below = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in below:
            hidden = any(part.startswith(".") for part in file.relative_to(path).parts)
            if file.is_file() and not hidden and file.stat().st_size:
                yield file


def _class(file: Path) -> tuple[str, str]:
    match = _SUFFIX.search(file.name)
    return str(file.parent), match[0] if match else ""


def _look(files: list[Path], suffix: str) -> Found | None:
    """Look at the first of some files; None where no reader reads it."""
    path = str(files[0])
    reader = reader_of(path)
    if reader is None:
        return None
    columns = None
    if reader in WITH_COLUMNS:
        columns = columns_of(records_of(path))
    texts, looked_at = _texts(path, reader, columns)
    with files[0].open("rb") as stream:
        compressed = is_compressed(stream.read(16))
    n_bytes = sum(file.stat().st_size for file in files)
    return Found(
        "", reader, (suffix,), len(files), n_bytes, compressed, columns, looked_at, len(texts),
        _languages(texts),
    )  # fmt: skip


def _texts(path: str, reader: str, columns: Columns | None) -> tuple[list[str], int]:
    """Return the texts of a file's first records, and how many records were looked at."""
    if READERS[reader].join is not None:  # whose records are no documents yet
        return [], 0
    texts: list[str] = []
    looked_at = 0
    with Path(path).open("rb") as stream:
        for batch in READERS[reader].read(
            stream, path, start=0, end=None, batch_bytes=_BATCH_BYTES,
            max_record_bytes=_MAX_RECORD_BYTES, **reader_parameters(reader, columns),
        ):  # fmt: skip
            batch = batch.slice(0, LOOKED_AT - looked_at)
            looked_at += batch.num_rows
            alive = batch.filter(batch["dropped_by"].is_null())
            texts += alive["text"].to_pylist()
            if looked_at >= LOOKED_AT:
                break
    return texts, looked_at


def _languages(texts: list[str]) -> dict[str, int]:
    """Count the languages of texts, by the bundled model, the most frequent first."""
    if not texts:
        return {}
    from transforms.scoring.fasttext_predict import load_classifier

    classifier = load_classifier(bundled(LANGUAGE_MODEL))
    scores = classifier.probabilities(pa.array(texts, pa.string()), delete_newlines=True)
    best = np.asarray(scores.argmax(axis=1)).tolist()
    return dict(Counter(classifier.labels[i] for i in best).most_common())


def _name(parts: list[tuple[Found, list[Path]]], top: Path, *, alone: bool) -> str:
    """Return a name for a source: of its folder, of its file, or of its reader."""
    files = [file for _, files in parts for file in files]
    if len(files) == 1:
        return files[0].name.split(".")[0]
    folder = Path(os.path.commonpath([file.parent for file in files]))
    return folder.name if alone or folder != top else parts[0][0].reader


def _joined(
    name: str, parts: list[tuple[Found, list[Path]]], top: Path, given: Sequence[Path]
) -> Found:
    """Make one source of what was found in several folders."""
    inputs: list[str] = []
    languages: Counter[str] = Counter()
    for one, files in parts:
        languages.update(one.languages)
        folder, suffix = files[0].parent, one.inputs[0]
        of_folder = [file for file in folder.iterdir() if file.name.endswith(suffix)]
        if any(file in given for file in files) or len(of_folder) != len(files):
            inputs += [file.relative_to(top).as_posix() for file in files]
        else:
            inputs.append((folder.relative_to(top) / f"*{suffix}").as_posix())
    first = parts[0][0]
    return Found(
        name, first.reader, tuple(inputs), sum(one.n_files for one, _ in parts),
        sum(one.n_bytes for one, _ in parts), first.is_compressed, first.columns,
        sum(one.looked_at for one, _ in parts), sum(one.texts for one, _ in parts),
        dict(languages.most_common()),
    )  # fmt: skip
