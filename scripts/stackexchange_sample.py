"""The sample of StackExchange: dumps of two invented sites, one of them packed by 7-Zip."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

import py7zr
from source_texts import sections

_LINE_FEED = {'"': "&quot;", "\n": "&#xA;"}


def row(fields: dict[str, object]) -> str:
    """Return a post as an XML element."""
    attributes = " ".join(
        f'{name}="{escape(str(value), _LINE_FEED)}"' for name, value in fields.items()
    )
    return f"  <row {attributes} />\n"


def created(post: int) -> str:
    """Return an invented time at which a post was written."""
    return f"2017-{post % 12 + 1:02d}-{post % 27 + 1:02d}T{post % 24:02d}:30:00.{post:03d}"


def rows(name: str) -> list[str]:
    """Return a site's posts as XML elements: questions (Q), answers (A), wikis of tags (W4, W5)."""
    posts = sections(name)
    accepted = {
        int(fields[2]): int(fields[1])
        for fields, _ in posts
        if fields[0] == "A" and fields[-1] == "accepted"
    }
    elements = []
    for fields, body in posts:
        kind, post = fields[0], int(fields[1])
        attributes: dict[str, object] = {"Id": post}
        if kind == "Q":
            attributes["PostTypeId"] = 1
            if post in accepted:
                attributes["AcceptedAnswerId"] = accepted[post]
        elif kind == "A":
            attributes |= {"PostTypeId": 2, "ParentId": fields[2]}
        else:
            attributes["PostTypeId"] = kind[1]
        attributes["CreationDate"] = created(post)
        attributes["Score"] = fields[{"Q": 2, "A": 3}[kind]] if kind in "QA" else 0
        attributes |= {"Body": body, "OwnerUserId": post % 9 + 1}
        if kind == "Q":
            tags = "".join(f"<{tag}>" for tag in fields[3].split())
            attributes |= {"Title": fields[4], "Tags": tags}
        elements.append(row(attributes))
    return elements


def posts_xml(elements: list[str]) -> bytes:
    """Return the bytes of a ``Posts.xml``."""
    head = '<?xml version="1.0" encoding="utf-8"?>\n<posts>\n'
    return f"\ufeff{head}{''.join(elements)}</posts>\n".encode()


def write_stackexchange(folder: Path) -> None:
    """Write the dumps. The first one has a few planted defects."""
    workshop = rows("stackexchange-workshop.txt")
    workshop.append(workshop[1])  # post 2 again
    workshop.append(row({"Id": 90, "PostTypeId": 2, "ParentId": 1, "Body": "<p>no score</p>"}))
    plain = folder / "workshop.example.org" / "Posts.xml"
    plain.parent.mkdir(parents=True, exist_ok=True)
    plain.write_bytes(posts_xml(workshop))
    with py7zr.SevenZipFile(folder / "observatory.example.org.7z", "w") as archive:
        archive.writestr(posts_xml(rows("stackexchange-observatory.txt")), "Posts.xml")
