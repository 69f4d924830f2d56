"""Reader of Hugging Face datasets: their files, or descriptors of what ``datasets`` streams.

The inputs of a recipe are files, so a dataset is given in one of these forms:

- the Parquet files of a hub repository or of any writer;
- the Arrow files of ``Dataset.save_to_disk`` (IPC streams), and IPC files;
- a descriptor ``*.hf.yaml``, for other formats and for datasets that stay on the hub: a small file
  that names a dataset and a part of it to stream, so that many workers can share one dataset::

      path: allenai/c4            # a dataset of the hub, a folder, or a format: json, parquet, ...
      name: en                    # the configuration; optional, like all keys below
      split: train
      revision: COMMIT            # required for a dataset of the hub
      data_files: en/c4-train.*.json.gz
      shard: {index: 0, of: 64}   # part of its files, in order
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa
import yaml

from pipeline.readers.batches import Row, batches, metadata_json, valid_utf8
from pipeline.readers.containers.columnar import Unreadable, bytes_for_strings, is_string
from pipeline.readers.containers.cursor import Watched
from pipeline.readers.containers.ipc_batches import CONTINUATION, FILE_MAGIC, ipc_batches
from pipeline.readers.containers.parquet_rows import parquet_rows

_FORMATS = ("arrow", "csv", "json", "parquet", "text", "xml")  # builders of ``datasets`` itself
_NETWORK_PACKAGES = frozenset(
    {"aiohttp", "asyncio", "botocore", "fsspec", "httpcore", "httpx", "huggingface_hub", "requests"}
)
_MISSING_IN_CSV = ("", "#N/A", "-nan", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "nan", "null")
_ROWS_AT_ONCE = 256
_DESCRIPTOR = ".hf.yaml"
_MAX_DESCRIPTOR_BYTES = 1 << 16
_KEYS = {"path", "name", "split", "revision", "data_files", "data_dir", "shard"}


class _Columns(NamedTuple):
    text: str
    url: str | None
    metadata: tuple[str, ...]


def check_descriptors(names: Iterable[str]) -> None:
    """Check that what reads descriptors is installed, where there are any. Raises ValueError."""
    for name in names:
        if name.endswith(_DESCRIPTOR) and importlib.util.find_spec("datasets") is None:
            raise ValueError(f"{name}: datasets is not installed; run pip install '.[huggingface]'")


def read_huggingface(
    stream: BinaryIO,
    name: str,
    *,
    start: int,
    end: int | None,
    batch_bytes: int,
    max_record_bytes: int,
    text_column: str,
    url_column: str | None,
    metadata_columns: Sequence[str],
) -> Iterator[pa.RecordBatch]:
    """Read the rows of a dataset as batches of documents.

    The file is Parquet or Arrow (an IPC stream or file), recognised by its first bytes, or a
    descriptor (described in the module), recognised by its name. The text is the string in
    ``text_column``, the url the string in ``url_column``. ``metadata`` holds ``metadata_columns``;
    values that JSON cannot represent become strings. A document's id is ``name#record``; the record
    is the number of the row in the file, or in the stream of the descriptor, from 0. Files are not
    split: ``start`` is 0 and ``end`` None.

    Rows without text are dropped by ``no_text`` (null, not a string, or no such column), ``empty``,
    or ``record_too_large`` (over ``max_record_bytes``). Rows that cannot be read become one row
    dropped by ``damaged``, whatever exception they raise, and a file of another format becomes a
    row dropped by ``not_a_dataset``. Invalid UTF-8 becomes U+FFFD. Parquet files need a stream that
    can seek; Arrow files do not. Errors of the stream and of the network are raised, and ValueError
    for an invalid descriptor.
    """
    assert start == 0 and end is None, "files of datasets are not split"
    columns = _Columns(text_column, url_column, tuple(metadata_columns))
    pieces = _pieces(stream, name, columns)
    return batches(_rows(pieces, name, columns, max_record_bytes), batch_bytes=batch_bytes)


def _pieces(
    stream: BinaryIO, name: str, columns: _Columns
) -> Iterator[pa.RecordBatch | Unreadable]:
    if name.endswith(_DESCRIPTOR):
        place = getattr(stream, "name", None)
        folder = Path(place).parent if isinstance(place, str) else None
        yield from _described(stream.read(_MAX_DESCRIPTOR_BYTES + 1), name, columns, folder)
        return
    head = stream.read(8)
    names = (columns.text, columns.url, *columns.metadata)
    wanted = [name for name in dict.fromkeys(names) if name is not None]
    if head.startswith(b"PAR1"):
        groups = parquet_rows(stream, start=0, end=None, columns=wanted, text=columns.text)
        yield from (rows for _, rows in groups)
    elif head.startswith((FILE_MAGIC, CONTINUATION)):
        yield from ipc_batches(Watched(stream, head), columns=wanted, text=columns.text)
    else:
        yield Unreadable("neither Parquet nor Arrow, nor called .hf.yaml", None, "not_a_dataset")


def _described(
    data: bytes, name: str, columns: _Columns, folder: Path | None
) -> Iterator[pa.RecordBatch | Unreadable]:
    """Stream the dataset of a descriptor, which lies in ``folder``."""
    descriptor = _descriptor(data, name)
    check_descriptors([name])
    import datasets  # type: ignore[import-untyped] # slow to import, and not needed for files

    arguments = {key: value for key, value in descriptor.items() if key != "shard"}
    split = arguments.pop("split", None)
    if folder is not None and arguments["path"] in _FORMATS and "data_files" in arguments:
        arguments["data_files"] = _beside(arguments["data_files"], folder)
    try:
        builder = datasets.load_dataset_builder(**arguments)
        if type(builder.config).__name__ == "CsvConfig":
            builder.config.keep_default_na = False
            builder.config.na_values = _missing_values(columns)
        dataset = builder.as_streaming_dataset(split=split)
    except pa.ArrowException as error:
        yield Unreadable(f"{type(error).__name__}: {error}", None)
        return
    except StopIteration:  # of `datasets`, which looks at the first file
        raise ValueError(f"{name}: data_files: no file has such a name") from None
    if not isinstance(dataset, datasets.IterableDataset):
        raise ValueError(f"{name}: split: say which of {', '.join(map(str, dataset))}")
    if (shard := descriptor.get("shard")) is not None:
        if shard["of"] > dataset.num_shards:
            raise ValueError(f"{name}: shard.of: it has {dataset.num_shards} files to share out")
        dataset = dataset.shard(num_shards=shard["of"], index=shard["index"])
    dataset = dataset.with_format("arrow")
    done = 0
    for batch_size in (
        _ROWS_AT_ONCE,
        1,
    ):  # after an error, read again row by row, since its batch is lost
        try:
            for table in (dataset.skip(done) if done else dataset).iter(batch_size=batch_size):
                yield from table.to_batches()
                done += len(table)
            return
        except Exception as error:
            cause = error.__cause__ or error
            if _is_of_machines(error):
                raise
            message = f"{type(cause).__name__}: {cause}"
    yield Unreadable(message, None)


def _beside(data_files: Any, folder: Path) -> Any:
    """Return patterns of files, those that are relative and match in a folder as paths there."""
    if isinstance(data_files, dict):
        return {key: _beside(value, folder) for key, value in data_files.items()}
    if isinstance(data_files, list):
        return [_beside(value, folder) for value in data_files]
    if not isinstance(data_files, str) or "://" in data_files or Path(data_files).is_absolute():
        return data_files
    return str(folder / data_files) if any(folder.glob(data_files)) else data_files


def _missing_values(columns: _Columns) -> dict[str, list[str]]:
    """Return what stands for a missing value in the columns of CSV: in texts, nothing at all.

    Otherwise pandas takes the texts "null" and "NA" for missing ones.
    """
    missing = {column: list(_MISSING_IN_CSV) for column in columns.metadata}
    strings = [column for column in (columns.text, columns.url) if column is not None]
    return missing | {column: [""] for column in strings}


def _is_of_machines(error: BaseException | None) -> bool:
    """Tell whether an error comes from the network, storage or memory, and not from the data."""
    seen = set()
    while error is not None and id(error) not in seen:
        package = type(error).__module__.partition(".")[0]
        if isinstance(error, (OSError, MemoryError)) or package in _NETWORK_PACKAGES:
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False


def _descriptor(data: bytes, name: str) -> dict[str, Any]:
    try:
        values = yaml.safe_load(data) if len(data) <= _MAX_DESCRIPTOR_BYTES else None
    except yaml.YAMLError as error:
        raise ValueError(f"{name}: not YAML: {error}") from error
    if not isinstance(values, dict) or not isinstance(values.get("path"), str):
        raise ValueError(f"{name}: a descriptor is a mapping with a path")
    if unknown := set(map(str, values)) - _KEYS:
        raise ValueError(f"{name}: {', '.join(sorted(unknown))}: not one of {sorted(_KEYS)}")
    path, shard = values["path"], values.get("shard")
    is_remote = path not in _FORMATS and not Path(path).exists()
    if is_remote and not isinstance(values.get("revision"), str):
        raise ValueError(
            f"{name}: revision: say which commit of {path}, so that every pass reads the same"
        )
    if shard is not None and not (
        isinstance(shard, dict)
        and set(shard) == {"index", "of"}
        and all(isinstance(number, int) for number in shard.values())
        and 0 <= shard["index"] < shard["of"]
    ):
        raise ValueError(f"{name}: shard: {shard} is not of the form {{index: 0, of: 8}}")
    return values


def _rows(
    pieces: Iterator[pa.RecordBatch | Unreadable],
    name: str,
    columns: _Columns,
    max_record_bytes: int,
) -> Iterator[Row]:
    record = 0
    for piece in pieces:
        fault = piece if isinstance(piece, Unreadable) else _fault(piece, columns)
        if fault is not None:
            metadata = metadata_json({"error": fault.error, "rows": fault.rows})
            yield Row(f"{name}#{record}", b"", None, metadata, fault.dropped_by)
            record += fault.rows or 1
        elif isinstance(piece, pa.RecordBatch):
            for row in _documents(piece, columns, max_record_bytes):
                yield row._replace(id=f"{name}#{record}")
                record += 1


def _fault(batch: pa.RecordBatch, columns: _Columns) -> Unreadable | None:
    """Check offsets, lengths and dictionary indices, which Arrow does not check when it reads."""
    try:
        for column in {columns.text, columns.url, *columns.metadata} & set(batch.schema.names):
            bytes_for_strings(batch[column]).validate(full=True)
    except (pa.ArrowException, ValueError) as error:
        return Unreadable(str(error), len(batch))
    return None


def _documents(batch: pa.RecordBatch, columns: _Columns, max_record_bytes: int) -> Iterator[Row]:
    present = set(batch.schema.names)
    texts: list[Any] = [None] * len(batch)
    error = f"column {columns.text!r} is null"
    if columns.text not in present:
        error = f"no column {columns.text!r}; there are: {', '.join(sorted(present))}"
    elif not is_string(column_type := batch[columns.text].type):
        error = f"column {columns.text!r} holds {column_type}, not strings"
    else:
        texts = bytes_for_strings(batch[columns.text]).to_pylist()
    urls: list[Any] = [None] * len(batch)
    if columns.url in present and is_string(batch[columns.url].type):
        urls = _values(batch[columns.url])
    metadata = {column: _values(batch[column]) for column in columns.metadata if column in present}
    for number, (text, url) in enumerate(zip(texts, urls, strict=True)):
        fields = {column: values[number] for column, values in metadata.items()}
        if text is None:
            yield Row("", b"", url, metadata_json({"error": error}), "no_text")
        elif len(text) > max_record_bytes:
            fields = {"error": f"{len(text)} bytes"}
            yield Row("", b"", url, metadata_json(fields), "record_too_large")
        elif not text or text.isspace():
            yield Row("", b"", url, metadata_json(fields), "empty")
        else:
            yield Row("", valid_utf8(text), url, metadata_json(fields))


def _values(column: pa.Array) -> list[Any]:
    """Return a column's values in a form that JSON can represent."""
    if is_string(column.type):
        values = bytes_for_strings(column).to_pylist()
        return [None if value is None else value.decode(errors="replace") for value in values]
    return [_json_value(value) for value in column.to_pylist()]


def _json_value(value: Any) -> Any:
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _json_value(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_json_value(item) for item in value]
    return str(value)
