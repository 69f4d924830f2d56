"""Writing a run's report and data card."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from pipeline.files import storage
from pipeline.output import whole_files
from pipeline.output.layout import DATA_CARD_NAME, REPORT_NAME
from pipeline.report.data import collect
from pipeline.report.data_card import card_text
from pipeline.report.page import render


def write_report(output: str) -> list[str]:
    """Write ``report.html`` and ``DATACARD.md`` of the run in ``output``; return their paths.

    Raises ValueError if the folder holds no finished run.
    """
    report = collect(output)
    whole_files.write_bytes(output, DATA_CARD_NAME, card_text(report).encode())
    whole_files.write_bytes(output, REPORT_NAME, render(report).encode())
    if not storage.is_remote(output):
        for name in (whole_files.TEMPORARY_FOLDER, "work"):  # a run may be writing there
            with suppress(OSError):
                Path(output, name).rmdir()
    return [storage.join(output, name) for name in (REPORT_NAME, DATA_CARD_NAME)]


def write_page(output: str, path: str) -> None:
    """Write only the report, to any path; the data card is not written."""
    storage.write_file(path, render(collect(output)).encode())
