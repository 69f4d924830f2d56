"""Columns that a recipe names and that no record has: told before the work, not after it."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from pipeline.errors import nearest
from pipeline.files import storage
from pipeline.recipe.recipe import Recipe, Source
from pipeline.starting.demo_sources import WITH_COLUMNS
from pipeline.starting.kinds import records_of


def missing_columns(recipe: Recipe) -> list[str]:
    """Return a warning for each column that no record has, with the nearest that they have.

    The first records of each source's first file are looked at, where it is on this machine. Files
    that cannot be read are left to the run, which tells of them.
    """
    return [
        warning
        for source in recipe.sources
        if source.reader_name in WITH_COLUMNS
        for warning in _missing(source)
    ]


def _missing(source: Source) -> list[str]:
    local = (pattern for pattern in source.input if not storage.is_remote(pattern))
    try:
        paths = sorted(info.path for pattern in local for info in storage.match(pattern))
        # What a look takes out of a pipe, a run would miss.
        records = records_of(paths[0]) if paths and Path(paths[0]).is_file() else []
    except (ValueError, OSError, pa.ArrowException):
        return []
    known = {name for record in records for name in record}
    warnings = []
    for key, value in source.reader_parameters.items():
        for name in [value] if isinstance(value, str) else value or ():
            if known and name not in known:
                warnings.append(
                    f"{source.name}: {key} {name!r}: the first {len(records)} records of "
                    f"{paths[0]} have no such column{nearest(name, known)}"
                )
    return warnings
