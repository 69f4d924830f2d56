"""Write the bundled samples of the sources other than web archives, into ``samples/data``.

    python scripts/make_source_samples.py --books FOLDER [--output samples/data]

All texts but the books were written for this project and are in ``samples/texts``. ``books.py``
names the files of the books. The same texts give the same content on every machine.

``samples/README.md`` lists the planted defects, and ``tests/test_source_samples.py`` checks them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from arxiv_sample import write_arxiv
from books_sample import write_books
from github_sample import write_github
from stackexchange_sample import write_stackexchange
from wikipedia_sample import write_wikipedia

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Write all samples of the other sources."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--books", type=Path, required=True, help="folder of the books")
    parser.add_argument("--output", type=Path, default=ROOT / "samples" / "data")
    args = parser.parse_args()
    write_samples(args.books, args.output)


def write_samples(books: Path, output: Path) -> None:
    """Write the samples to a folder. Raises ValueError where a book is missing."""
    write_github(output / "github")
    write_wikipedia(output / "wikipedia")
    write_books(books, output / "books")
    write_arxiv(output / "arxiv")
    write_stackexchange(output / "stackexchange")


if __name__ == "__main__":
    main()
