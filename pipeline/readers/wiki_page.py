"""Parsing of one page of MediaWiki's XML export (schema export-0.3 to 0.11) by its tags.

No general XML parser is needed: the wikitext of a page is escaped, so a name in angle brackets is
always a tag, and elements can be found by searching for their tags.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from typing import NamedTuple

_TAG = r"<{0}(?:\s[^<>]*)?(?:/>|>([^<]*)</{0}\s*>)"
_TITLE = re.compile(_TAG.format("title").encode())
_NAMESPACE_OF_PAGE = re.compile(_TAG.format("ns").encode())
_ID = re.compile(_TAG.format("id").encode())
_TIMESTAMP = re.compile(_TAG.format("timestamp").encode())
_MODEL = re.compile(_TAG.format("model").encode())
_REDIRECT = re.compile(rb"<redirect\b")
_TEXT = re.compile(_TAG.format("text").encode())
_NUMBER = re.compile(r"[0-9]{1,18}")
_REVISION = b"<revision"
_NAMESPACE = re.compile(rb'<namespace key="(-?\d{1,9})"[^<>]*>([^<]*)</namespace>')
_REFERENCE = re.compile(r"&(?:(#[0-9]{1,7}|#x[0-9a-fA-F]{1,6}|[A-Za-z_:][\w:.-]*);)?")
_ENTITIES = {"lt": "<", "gt": ">", "quot": '"', "apos": "'", "amp": "&"}

_REDIRECT_TEXT = re.compile(
    r"\s*[#＃]\s*(?:redirect|redirecci[óo]n|redirection|redirecionamento|redirec[țţt]eaz[ăa]|rinvi[ao]"
    r"|rimando|weiterleitung|doorverwijzing|patrz|przekieruj|tam|přesměruj|presmeruj|omdirigering"
    r"|átirányítás|preusmjeri|preusmeritev|преусмери|пренасочване|виж|перенаправление|перенапр"
    r"|перенаправлення)\s*:?\s*\[\[",
    re.IGNORECASE,
)
"""Pattern of a redirect's first line in the 20 languages, for old dumps without ``<redirect>``."""

_CANONICAL_NAMES = (
    "Media|Special|Talk|User|User talk|Project|Project talk|Wikipedia|Wikipedia talk|File|File talk"
    "|Image|Image talk|MediaWiki|MediaWiki talk|Template|Template talk|Help|Help talk|Category"
    "|Category talk|Portal|Portal talk|Book|Book talk|Draft|Draft talk|Module|Module talk|TimedText"
)


class PageError(ValueError):
    """The page is not valid in MediaWiki's export format."""


class Page(NamedTuple):
    """A page and its latest revision."""

    title: str
    page_id: str
    is_article: bool  # true in namespace 0
    is_redirect: bool
    revision_id: str | None
    timestamp: str | None
    model: str | None
    text: str


def namespace_names(header: bytes) -> Mapping[str, int]:
    """Return the number of each namespace by its name in lower case, canonical or in ``header``.

    ``header`` is the beginning of a dump. Dumps before 2012 have no namespace in the pages, so it
    must be taken from the titles.
    """
    names = dict.fromkeys(_CANONICAL_NAMES.lower().split("|"), -1)
    for key, name in _NAMESPACE.findall(header[: 1 << 16]):
        with contextlib.suppress(PageError):  # no page can have a name that is not XML
            names[unescaped(name).strip().lower()] = int(key)
    return names


def parse_page(data: bytes, namespaces: Mapping[str, int]) -> Page:
    """Parse the bytes between ``<page>`` and ``</page>``.

    Of several revisions, the one with the latest timestamp is taken. Invalid UTF-8 becomes U+FFFD.
    Raises :class:`PageError` for pages without title or id, and for entities that XML itself does
    not define.
    """
    first_revision = data.find(_REVISION)
    head = data if first_revision < 0 else data[:first_revision]
    title = _first(_TITLE, head)
    page_id = _first(_ID, head)
    if not title or not page_id or not _NUMBER.fullmatch(page_id):
        raise PageError("a page without a <title> or the number in an <id>")
    revision = b"" if first_revision < 0 else _latest(data[first_revision:])
    text_at = revision.find(b"<text")
    meta, text = (revision, b"") if text_at < 0 else (revision[:text_at], revision[text_at:])
    text_element = _TEXT.match(text)
    if text and not text_element:
        raise PageError("a <text> without its end, or with other elements in it")
    wikitext = unescaped(text_element.group(1) or b"") if text_element else ""
    namespace = _first(_NAMESPACE_OF_PAGE, head)
    if namespace is None:
        prefix, colon, _ = title.partition(":")
        namespace = str(namespaces.get(prefix.strip().lower(), 0)) if colon else "0"
    revision_id = _first(_ID, meta)
    return Page(
        title=title,
        page_id=page_id,
        is_article=namespace == "0",
        is_redirect=bool(_REDIRECT.search(head) or _REDIRECT_TEXT.match(wikitext)),
        revision_id=revision_id if revision_id and _NUMBER.fullmatch(revision_id) else None,
        timestamp=_first(_TIMESTAMP, meta),
        # The model comes after the text in some versions of the schema, before it in others.
        model=_first(_MODEL, meta)
        or _first(_MODEL, text[text_element.end() :] if text_element else b""),
        text=wikitext,
    )


def _first(element: re.Pattern[bytes], data: bytes) -> str | None:
    match = element.search(data)
    return unescaped(match.group(1) or b"").strip() if match else None


def _latest(revisions: bytes) -> bytes:
    if revisions.find(_REVISION, 1) < 0:
        return revisions
    parts = [_REVISION + part for part in revisions.split(_REVISION)[1:]]
    return max(enumerate(parts), key=lambda item: (_first(_TIMESTAMP, item[1]) or "", item[0]))[1]


def unescaped(data: bytes) -> str:
    """Decode XML character data: resolve references, and normalise line ends to LF.

    Raises :class:`PageError` for an entity other than XML's own five.
    """
    text = data.decode(errors="replace")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _REFERENCE.sub(_character, text) if "&" in text else text


def _character(match: re.Match[str]) -> str:
    name = match.group(1)
    if name in _ENTITIES:
        return _ENTITIES[name]
    if name and name.startswith("#"):
        code = int(name[2:], 16) if name[1] == "x" else int(name[1:])
        if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000:
            return chr(code)
    raise PageError(f"&{name or ''} is no reference of XML without a document type")
