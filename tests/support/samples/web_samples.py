"""All real web text of the samples, in batches: WET, the main text of WARC, and C4."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.readers.json_lines import read_json_lines
from pipeline.readers.warc import read_warc
from pipeline.readers.wet import read_wet

LIMITS = {"start": 0, "end": None, "batch_bytes": 1 << 22, "max_record_bytes": 1 << 26}


@cache
def web_batches(data: Path) -> list[pa.RecordBatch]:
    """Read the kept documents of all samples, from a folder like ``../shared/data``."""
    living = (batch.filter(pc.is_null(batch["dropped_by"])) for batch in _batches(data))
    return [batch for batch in living if batch.num_rows]


def wet_batches(data: Path) -> Iterator[pa.RecordBatch]:
    """Read the pages of the WET samples, with those that the reader drops."""
    for path in sorted((data / "commoncrawl" / "wet").glob("*.warc.wet.gz")):
        with path.open("rb") as stream:
            yield from read_wet(stream, f"wet/{path.name}", **LIMITS)


def _batches(data: Path) -> Iterator[pa.RecordBatch]:
    yield from wet_batches(data)
    for path in sorted((data / "commoncrawl" / "warc").glob("*.warc.gz")):
        with path.open("rb") as stream:
            yield from read_warc(
                stream, f"warc/{path.name}", **LIMITS, main_content=True, max_html_bytes=1 << 23
            )
    for path in sorted((data / "c4").glob("*.json*")):
        with path.open("rb") as stream:
            yield from read_json_lines(
                stream,
                f"c4/{path.name}",
                **LIMITS,
                text_field="text",
                url_field=None,
                metadata_fields=[],
            )
