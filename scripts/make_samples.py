"""Write the bundled samples, ``samples/data``: small web archives with planted defects.

    python scripts/make_samples.py --books FOLDER [--output samples/data]

The prose comes from books in the public domain. The folder holds them as Project Gutenberg
distributes them (``books.py`` names the files). The text around the prose, and the pages in other
languages, were written for this project and are in ``samples/texts``. The same books give the same
records on every machine, and the same bytes with the same version of zlib.

``samples/README.md`` lists the planted defects, and ``tests/test_samples.py`` checks them.
"""

from __future__ import annotations

import argparse
import html
import json
import random
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from books import C4_BOOKS, WARC_BOOKS, WET_BOOKS, library
from web_archives import DATE, Archive, add_capture, chunked, gzip_member, tiny_png

ROOT = Path(__file__).resolve().parents[1]
TEXTS = ROOT / "samples" / "texts"

LANGUAGES = {
    "fr": "fra", "de": "deu", "es": "spa", "it": "ita", "pt": "por", "nl": "nld", "pl": "pol",
    "cs": "ces", "ru": "rus", "bg": "bul", "zh": "zho", "ja": "jpn",
}  # fmt: skip
"""Languages of the pages: fastText's two-letter labels, with Common Crawl's codes."""

WET_FILES = 4
PROSE_PAGES = 460
SHORT_PAGES = 60
MIRROR_PAGES = 30
SPAM_PAGES = 25
SOUP_PAGES = 40
TABLE_PAGES = 20
C4_DOCUMENTS = 380
C4_DUPLICATES = 6
WARC_PAGES = (30, 20)
PAGE_CHARS = (400, 2_200)
C4_CHARS = (200, 1_200)


class Page(NamedTuple):
    """A page of a WET file. Its first line is the title."""

    url: str
    lines: list[str]
    language: str


def filled(rng: random.Random, lines: Iterable[str]) -> list[str]:
    """Return lines of boilerplate with random numbers and dates filled in."""
    return [
        line.format(
            n=f"{rng.randint(2, 4_000):,}", day=rng.randint(1, 28), year=2012 + rng.randint(0, 8)
        )
        for line in lines
    ]


def title_of(passage: list[str]) -> str:
    """Return a title made of a passage's first words."""
    return " ".join(passage[0].split()[:6]).strip("\"'“”‘’.,;:!?—- ")


def slug(title: str) -> str:
    """Return a title in a form for urls."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "page"


def dressed(rng: random.Random, site: dict[str, Any], title: str, body: list[str]) -> list[str]:
    """Return a text with its site's title, header and footer around it."""
    head, foot = filled(rng, site["header"]), filled(rng, site["footer"])
    return [f"{title} - {site['name']}", *head, title, *body, *foot]


def language_pages(host: str, site: dict[str, Any], rng: random.Random) -> Iterator[Page]:
    """Yield the pages of ``samples/texts`` that are not in English."""
    for code, long_code in LANGUAGES.items():
        pages = (TEXTS / f"{code}.txt").read_text("utf-8").removeprefix("# ").split("\n# ")
        for number, page in enumerate(pages):
            title, *body = page.strip().split("\n")
            lines = dressed(rng, site, title, body)
            yield Page(f"https://{host}/{code}/{number + 1}", lines, long_code)


def table_lines(rng: random.Random) -> list[str]:
    """Return the lines of a table of random numbers."""
    return [
        "\t".join([f"{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}"]
                  + [f"{rng.uniform(0, 900):.2f}" for _ in range(6)])
        for _ in range(rng.randint(15, 40))
    ]  # fmt: skip


def wet_pages(rng: random.Random, prose: list[list[str]], texts: dict[str, Any]) -> list[Page]:
    """Return the pages of all WET files, shuffled."""
    sites = texts["hosts"]
    pages: list[Page] = []

    def add(site: dict[str, Any], title: str, body: list[str]) -> None:
        url = f"https://{site['host']}/{slug(title)}-{len(pages)}.html"
        pages.append(Page(url, dressed(rng, site, title, body), "eng"))

    for passage in prose[:PROSE_PAGES]:
        add(rng.choice(sites), title_of(passage), passage)
    for page in rng.sample(pages, MIRROR_PAGES):
        pages.append(page._replace(url=page.url.replace("https://", "http://mirror.")))
    for passage in prose[PROSE_PAGES : PROSE_PAGES + SOUP_PAGES]:
        words = " ".join(passage).split()
        rng.shuffle(words)
        body = [" ".join(words[at : at + 90]) for at in range(0, len(words), 90)]
        add(rng.choice(sites), " ".join(words[:4]), body)
    for _ in range(SPAM_PAGES):
        phrases = [rng.choice(texts["spam_phrases"]) for _ in range(rng.randint(60, 160))]
        body = [" ".join(phrases[at : at + 12]) for at in range(0, len(phrases), 12)]
        add(rng.choice(sites), phrases[0].title(), body)
    for _ in range(TABLE_PAGES):
        title = f"{rng.choice(texts['table_titles'])} {rng.randint(1, 400)}"
        add(rng.choice(sites), title, table_lines(rng))
    for _ in range(SHORT_PAGES):
        (line,) = filled(rng, [rng.choice(texts["short_pages"])])
        url = f"https://{rng.choice(sites)['host']}/node/{len(pages)}"
        pages.append(Page(url, [line.split(".")[0][:60], line], "eng"))
    pages.extend(language_pages(texts["languages_host"], sites[0], rng))
    rng.shuffle(pages)
    return pages


def write_wet(rng: random.Random, folder: Path, pages: list[Page], last: Page) -> None:
    """Write the WET files. The last file ends with the page ``last``, and is cut within it."""
    for number in range(WET_FILES):
        archive = Archive(rng, f"SAMPLE-20200117123339-20200117151339-{number:05d}.warc.wet.gz")
        payloads = [
            (page, ("\n".join(page.lines) + "\n").encode()) for page in pages[number::WET_FILES]
        ]
        oddities = {
            0: Page("https://www.example.org/empty", [], "eng"),
            1: Page("https://www.example.org/title-only", ["A title and nothing else"], "eng"),
            2: Page("https://www.example.org/not-utf-8", [], "eng"),
        }
        if number in oddities:
            page = oddities[number]
            body = "\n".join(page.lines).encode()
            if number == 2:
                # WET files are UTF-8, but this page is in Latin-1.
                body = "Le café fermé\nUn café, une forêt, un été à l'île.\n".encode("latin-1") * 12
            payloads.insert(len(payloads) // 2, (page, body))
        else:
            payloads.append((last, ("\n".join(last.lines) + "\n").encode()))
        for page, payload in payloads:
            headers = {
                "WARC-Target-URI": page.url,
                "WARC-Refers-To": archive.new_id(),
                "WARC-Identified-Content-Language": page.language,
                "Content-Type": "text/plain",
            }
            archive.add("conversion", headers, payload)
        archive.write(folder, cut=number == WET_FILES - 1)


def write_c4(rng: random.Random, folder: Path, prose: list[list[str]], hosts: list[str]) -> None:
    """Write two files of JSON lines in C4's form, with a few defects in the second."""
    assert len(prose) >= C4_DOCUMENTS - C4_DUPLICATES, "too few passages"
    lines = []
    for number, passage in enumerate(prose[: C4_DOCUMENTS - C4_DUPLICATES]):
        document = {
            "text": "\n".join(passage),
            "timestamp": DATE.format(number % 28 + 1, number % 24, number % 60, 0),
            "url": f"https://{rng.choice(hosts)}/{slug(title_of(passage))}",
        }
        if number % 97 == 50:
            document["text"] = document["text"].replace(". ", ".\u2028", 1)
        if number % 97 == 51:
            document["text"] = document["text"].replace(". ", ".\u0085", 1)
        lines.append(json.dumps(document, ensure_ascii=False, separators=(",", ":")))
    lines.extend(rng.sample(lines[: len(lines) // 2], C4_DUPLICATES))
    lines.insert(len(lines) - 20, lines[7][: len(lines[7]) // 2])
    folder.mkdir(parents=True, exist_ok=True)
    half = C4_DOCUMENTS // 2
    for number, part in enumerate((lines[:half], lines[half:])):
        data = "".join(line + "\n" for line in part).encode()
        (folder / f"c4-train.{number:05d}-of-00002.json.gz").write_bytes(gzip_member(data))


def html_page(rng: random.Random, site: dict[str, Any], passage: list[str], charset: str) -> str:
    """Return a page of HTML: navigation, a script, the passage, related links, a footer."""
    title = html.escape(title_of(passage))
    header, footer = filled(rng, site["header"]), filled(rng, site["footer"])
    links = "".join(
        f'<li><a href="/{i}">{html.escape(line)}</a></li>' for i, line in enumerate(header)
    )
    body = "\n".join(f"<p>{html.escape(paragraph)}</p>" for paragraph in passage)
    foot = "".join(f"<p>{html.escape(line)}</p>" for line in footer)
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="{charset}"><title>{title} - {html.escape(site["name"])}</title>
<style>nav li {{ display: inline; }} .related {{ float: right; }}</style>
<script>var visits = {rng.randint(1, 9_999)};
if (visits < 1 && true) {{ alert("<p>no</p>"); }}</script>
</head><body>
<nav><ul>{links}</ul></nav>
<main><article><h1>{title}</h1>
{body}
</article></main>
<aside class="related"><h2>Related</h2><ul><li><a href="/a">Another page</a></li></ul></aside>
<footer>{foot}</footer>
</body></html>
"""


def write_warc(
    rng: random.Random, folder: Path, prose: list[list[str]], texts: dict[str, Any]
) -> None:
    """Write the WARC files. The first one has captures that are not ordinary pages."""
    assert len(prose) >= sum(WARC_PAGES), "too few passages"
    at = 0
    for number, count in enumerate(WARC_PAGES):
        archive = Archive(rng, f"SAMPLE-20200117123339-20200117151339-{number:05d}.warc.gz")
        for index in range(count):
            passage, site = prose[at], rng.choice(texts["hosts"])
            url = f"https://{site['host']}/web/{at}-{slug(title_of(passage))}"
            at += 1
            charset, http = "utf-8", {"Content-Type": "text/html; charset=utf-8"}
            if (number, index) == (0, 5):
                charset, http = "iso-8859-1", {"Content-Type": "text/html; charset=iso-8859-1"}
                passage = ["It cost £5 at the café, and Zoë paid without a word.", *passage]
            markup = html_page(rng, site, passage, charset)
            body = markup.encode(charset, "xmlcharrefreplace")
            if (number, index) == (0, 9):
                http["Transfer-Encoding"] = "chunked"
                body = chunked(body, 1_000)
            else:
                http["Content-Length"] = str(len(body))
            add_capture(archive, url, "200 OK", http, body)
            if (number, index) == (0, 12):
                home = f"https://{site['host']}"
                moved = {"Location": f"{home}/new", "Content-Type": "text/html"}
                add_capture(
                    archive, f"{home}/old", "301 Moved Permanently", moved, b"<p>Moved.</p>"
                )
                gone = {"Content-Type": "text/html; charset=utf-8"}
                page = html_page(rng, site, ["There is no such page here."], "utf-8").encode()
                add_capture(archive, f"{home}/gone", "404 Not Found", gone, page)
                picture = {"Content-Type": "image/png"}
                add_capture(archive, f"{home}/dot.png", "200 OK", picture, tiny_png())
        archive.write(folder)


def main() -> None:
    """Write all samples of web archives."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--books", type=Path, required=True, help="folder of the books")
    parser.add_argument("--output", type=Path, default=ROOT / "samples" / "data")
    args = parser.parse_args()
    write_samples(args.books, args.output)


def write_samples(books: Path, output: Path) -> None:
    """Write the samples to a folder. Raises ValueError where a book is missing."""
    texts = yaml.safe_load((TEXTS / "web.yaml").read_text("utf-8"))
    hosts = [site["host"] for site in texts["hosts"]]
    rng = random.Random(20_230_227)
    prose = library(rng, books, WET_BOOKS, PAGE_CHARS)
    pages = wet_pages(rng, prose, texts)
    cut = prose[PROSE_PAGES + SOUP_PAGES]
    last = Page("https://www.example.org/cut-short", [title_of(cut), *cut], "eng")
    write_wet(rng, output / "commoncrawl" / "wet", pages, last)
    write_warc(
        rng, output / "commoncrawl" / "warc", library(rng, books, WARC_BOOKS, PAGE_CHARS), texts
    )
    write_c4(rng, output / "c4", library(rng, books, C4_BOOKS, C4_CHARS), hosts)


if __name__ == "__main__":
    main()
