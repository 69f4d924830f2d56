"""How well and how fast extractors find the main text of pages, by Mozilla's readability tests.

    python benchmarks/web/main_text.py ../shared/data [--ports PYTHON]

For each extractor it prints the mean and the median of the word F1 of a page, and pages a second of
processor time, the best of three rounds in turns. The expected text is all text of the page that
Readability makes. ``--ports`` names the Python of an environment with compiled ports of
trafilatura, whose wheels need CPython 3.12:

    uv venv --python 3.12 ports
    uv pip install --python ports/bin/python etrafilatura rs-trafilatura
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean, median

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from resiliparse.extract.html2text import extract_plain_text

from pipeline.readers.charsets.page import decode_page
from pipeline.readers.containers.http_message import parse_http
from pipeline.readers.containers.warc_records import Record, archive_records
from pipeline.readers.html.page_text import HtmlError, html_page
from tests.support.word_agreement import word_f1

PORTS = Path(__file__).parents[1] / "peer_systems" / "main_text_side.py"

ROUNDS = 3

Extract = Callable[[str], str]


def pages(data: Path) -> tuple[list[str], list[str]]:
    """Return the HTML of the pages, and their expected texts."""
    folder = data / "commoncrawl" / "warc"
    expected = {}
    with tarfile.open(folder / "readability.expected.tar.gz") as tar:
        for member in tar:
            if member.name.endswith("expected.html") and (file := tar.extractfile(member)):
                html = file.read().decode()
                expected[member.name.split("/")[0]] = html_page(html, main_content=False).text
    found = []
    with (folder / "readability.warc.gz").open("rb") as stream:
        for record in archive_records(stream, max_record_bytes=1 << 26):
            if isinstance(record, Record) and "x-wrapped-from" in record.headers:
                message = parse_http(record.payload)
                name = record.headers["x-wrapped-from"].split("/")[-2]
                if message is not None:
                    found.append((decode_page(message.body).text, expected[name]))
    return [html for html, _ in found], [text for _, text in found]


def _row(name: str, texts: list[str], expected: list[str], seconds: float) -> None:
    scores = [word_f1(text, wanted) for text, wanted in zip(texts, expected, strict=True)]
    figures = f"{mean(scores):.3f} | {median(scores):.3f} | {len(scores) / seconds:,.0f}"
    print(f"| {name} | {figures} |", flush=True)


def _text(html: str, **parameters: object) -> str:
    try:
        return html_page(html, **parameters).text  # type: ignore[arg-type]
    except HtmlError:
        return ""


EXTRACTORS: dict[str, Extract] = {
    "resiliparse as it is": lambda html: extract_plain_text(
        html, main_content=True, alt_texts=False
    ),
    "`extractor: resiliparse`": lambda html: _text(html, main_content=True),
    "`extractor: trafilatura`": lambda html: _text(
        html, main_content=True, extractor="trafilatura"
    ),
    "all text": lambda html: _text(html, main_content=False),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of the samples")
    parser.add_argument("--ports", help="Python with rs-trafilatura and etrafilatura")
    options = parser.parse_args()
    htmls, expected = pages(options.data)
    print("| extractor | mean F1 | median F1 | pages a second |\n| --- | --- | --- | --- |")
    texts: dict[str, list[str]] = {}
    seconds: dict[str, float] = {}
    for _ in range(ROUNDS):
        for name, extract in EXTRACTORS.items():
            extract(htmls[0])  # what is compiled or imported with the first page is not counted
            started = time.process_time()
            texts[name] = [extract(html) for html in htmls]
            taken = time.process_time() - started
            seconds[name] = min(seconds.get(name, taken), taken)
    for name in EXTRACTORS:
        _row(name, texts[name], expected, seconds[name])
    if options.ports:
        ended = subprocess.run(
            [options.ports, str(PORTS)],
            input=json.dumps(htmls),
            capture_output=True,
            text=True,
            check=True,
        )
        for line in ended.stdout.splitlines():
            name, texts_of_port, seconds_of_port = json.loads(line)
            _row(name, texts_of_port, expected, seconds_of_port)


if __name__ == "__main__":
    main()
