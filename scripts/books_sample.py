"""The sample of books: chapters of books in the public domain, as plain text and as an EPUB.

The plain texts are in several encodings.
"""

from __future__ import annotations

import html
import io
import re
import zipfile
from pathlib import Path

from books import C4_BOOKS, WARC_BOOKS, WET_BOOKS, book_file

BOOKS = {**WET_BOOKS, **C4_BOOKS, **WARC_BOOKS}
ALICE, TREASURE_ISLAND, SHERLOCK_HOLMES, TIME_MACHINE = 11, 120, 1661, 35

HEADER = """This is a part of a book in the public domain, for trials of programs.

Title: {title}

Author: {author}

*END THE SMALL PRINT! OF THIS SAMPLE*



"""
"""Header in the form of Project Gutenberg's old ones, in our own words and without its name."""

PLAIN_TYPE = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"'})
OTHER_SPELLINGS = {
    "towards": "toward", "grey": "gray", "learnt": "learned", "to-day": "today",
    "Alice thought": "thought Alice", "waistcoat-pocket": "waistcoat pocket",
    "afterwards": "afterward", "hardly": "scarcely", "for ever": "forever",
}  # fmt: skip


def chapters(folder: Path, number: int, begin: str, end: str) -> str:
    """Return a book from one heading to another, which are given as patterns."""
    data = book_file(folder, number, BOOKS[number]).read_bytes()
    text = data.decode("utf-8-sig").replace("\r\n", "\n")
    first = re.search(begin, text, re.MULTILINE)
    assert first is not None, f"book {number} has no heading {begin}"
    last = re.compile(end, re.MULTILINE).search(text, first.end())
    assert last is not None, f"book {number} has no heading {end}"
    part = text[first.start() : last.start()].strip() + "\n"
    assert not re.search("gutenberg|transcri|produced by|nigg", part, re.IGNORECASE)
    return part


def plain_type(text: str) -> str:
    """Return a text with the quotation marks and dashes of a typewriter."""
    return text.translate(PLAIN_TYPE).replace("—", "--").replace("…", "...")


def other_edition(text: str) -> str:
    """Return a book as in another edition: with a typewriter's marks, and some other spellings."""
    text = plain_type(text)
    for word, other in OTHER_SPELLINGS.items():
        text = re.sub(rf"\b{word}\b", other, text)
    return text


def epub(title: str, author: str, parts: list[str]) -> bytes:
    """Return an EPUB of plain texts, one a chapter. Each begins with its heading."""
    names = [f"part{number}.xhtml" for number in range(1, len(parts) + 1)]
    items = "".join(
        f'<item id="{name[:-6]}" href="{name}" media-type="application/xhtml+xml"/>'
        for name in names
    )
    spine = "".join(f'<itemref idref="{name[:-6]}"/>' for name in names)
    files = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": '<?xml version="1.0"?><container version="1.0" '
        'xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile '
        'full-path="book/package.opf" media-type="application/oebps-package+xml"/></rootfiles>'
        "</container>",
        "book/package.opf": '<?xml version="1.0" encoding="utf-8"?><package version="3.0" '
        'xmlns="http://www.idpf.org/2007/opf"><metadata '
        f'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{html.escape(title)}</dc:title>'
        f"<dc:creator>{html.escape(author)}</dc:creator><dc:language>en</dc:language></metadata>"
        f"<manifest>{items}</manifest><spine>{spine}</spine></package>",
    }
    for name, part in zip(names, parts, strict=True):
        heading, *paragraphs = (" ".join(block.split()) for block in re.split(r"\n\s*\n", part))
        body = "\n".join(f"<p>{html.escape(paragraph)}</p>" for paragraph in paragraphs)
        files[f"book/{name}"] = (
            '<?xml version="1.0" encoding="utf-8"?>\n<html xmlns="http://www.w3.org/1999/xhtml">'
            f"<head><title>{html.escape(heading)}</title></head>\n<body><h2>{html.escape(heading)}"
            f"</h2>\n{body}\n</body></html>\n"
        )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            info = zipfile.ZipInfo(name)  # its time is 1980, so the bytes are always the same
            info.compress_type = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
            archive.writestr(info, text.encode())
    return buffer.getvalue()


def write_books(books: Path, folder: Path) -> None:
    """Write the books. Raises ValueError where one is missing in the folder ``books``."""
    folder.mkdir(parents=True, exist_ok=True)
    alice = chapters(books, ALICE, r"^CHAPTER I\. ", r"^CHAPTER V\. ")
    alice_header = HEADER.format(title="Alice’s Adventures in Wonderland", author="Lewis Carroll")
    (folder / "alice.txt").write_bytes(
        (alice_header + alice).replace("\n", "\r\n").encode("utf-8-sig")
    )
    (folder / "alice-other-edition.txt").write_bytes(other_edition(alice).encode("ascii"))
    machine = chapters(books, TIME_MACHINE, r"^ I\n\s+Introduction$", r"^ V\n\s+In the Golden Age$")
    machine_header = HEADER.format(title="The Time Machine", author="H. G. Wells")
    (folder / "time-machine.txt").write_bytes(
        (machine_header + plain_type(machine)).encode("latin-1")
    )
    island = chapters(books, TREASURE_ISLAND, r"^1\n\s+The Old Sea-dog", r"^5\n\s+The Last of")
    (folder / "treasure-island.txt").write_bytes(island.encode())
    holmes = chapters(books, SHERLOCK_HOLMES, r"^ADVENTURE I\. ", r"^ADVENTURE II\. ")
    title, first, second, third = re.split(r"^(?=I{1,3}\.$)", holmes, flags=re.MULTILINE)
    (folder / "scandal-in-bohemia.epub").write_bytes(
        epub("A Scandal in Bohemia", "Arthur Conan Doyle", [title, first, second, third])
    )
