"""The urls that an article of Wikipedia cites, and a filter that keeps pages with cited urls.

Citations stand in ``<ref>...</ref>`` or in a citation template (``{{cite web|...}}`` and the like
in the 20 languages), which articles also use in lists of literature. Other external links, in the
text, in infoboxes or under "External links", are not citations.
"""

from __future__ import annotations

import html
import re
from functools import cache
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import pyarrow as pa

from transforms.documents import FilePath, checked_by, drop
from transforms.kernels.key_sets import KeySet, in_key_set, key_set
from transforms.web.text_lists import check_list, read_list
from transforms.web.urls import pages_of
from transforms.wikipedia.names import CITATION_TEMPLATES, COMMON_CITATION_TEMPLATES, names_of

_TOKEN = re.compile(
    r"<(?P<slash>/?)ref\b[^<>]*?(?P<empty>/?)>|\{\{\s*(?P<name>[^{}|<\n]*)|\}\}|\n=="
    r"|(?P<before>[\[=]\s*)?(?P<url>https?://[^\s|\[\]{}<>\"]+)",
    re.IGNORECASE,
)
_ENTITY = re.compile(r"&#?\w+;")
_ARCHIVE_HOST = re.compile(
    r"(?:web|wayback)\.archive\.org|archive\.(?:is|today|ph|li|vn|fo|md)|(?:www\.)?webcitation\.org"
)
_ARCHIVED = re.compile(
    r"https?://[^/]+/(?:[\w-]+/)?[0-9][0-9.-]{3,19}(?:[a-z]{2}_|\*)?/(https?(?::|%3A).+)",
    re.IGNORECASE,
)
"""Pattern of a copy's url in a web archive. Its path has a time, and then the url of the page."""


def cited_urls(wikitext: str, language: str | None) -> set[str]:
    """Return the urls that an article cites, without fragments and with hosts in lower case.

    A copy in a web archive is replaced by the url of the original page, or left out where the
    archive's url does not tell it. ``language`` chooses the names of the citation templates. Takes
    time linear in the text.
    """
    cited: set[str] = set()
    citations = tuple(names_of(CITATION_TEMPLATES, language, COMMON_CITATION_TEMPLATES))
    templates: list[bool] = []  # for each open template, whether it is a citation
    reference: list[str] | None = None  # urls in the open <ref>
    for match in _TOKEN.finditer(_without_comments(wikitext)):
        token = match.group()
        if match["url"]:
            url = _original(match["url"], is_delimited=match["before"] is not None)
            if url and any(templates):
                cited.add(url)
            elif url and reference is not None:
                reference.append(url)
        elif token == "}}":
            del templates[-1:]
        elif match["name"] is not None:
            name = match["name"].strip().lower().replace("_", " ")
            templates.append(name.startswith(citations))
        elif token == "\n==":  # at a new section, open templates and references have no end
            templates, reference = [], None
        elif match["slash"]:
            cited.update(reference or ())
            reference = None
        elif not match["empty"]:
            reference = []
    return cited


def check_keep_cited(*, urls: FilePath) -> None:
    """Raise ValueError where the file is not a list of entries."""
    check_list(urls)


@checked_by(check_keep_cited)
def keep_cited(batch: pa.RecordBatch, *, urls: FilePath) -> pa.RecordBatch:
    """Drop pages whose url is not in the list ``urls``, as ``not_cited``.

    Urls are compared without scheme, default port, fragment and trailing slashes. Raises ValueError
    for the files that :func:`transforms.web.text_lists.read_list` refuses.
    """
    return drop(batch, ~in_key_set(pages_of(batch["url"]), _pages(urls)), "not_cited")


@cache
def _pages(path: str) -> KeySet:
    return key_set(pages_of(read_list(path)))


def _without_comments(text: str) -> str:
    first, *others = text.split("<!--")
    return first + "".join(part.partition("-->")[2] for part in others)


def _original(url: str, *, is_delimited: bool) -> str | None:
    """Return a cited url without archive, entities and fragment, None where it is not a url."""
    url = _ENTITY.sub(lambda match: html.unescape(match.group()), url).partition("''")[0]
    if not is_delimited:
        # In running text, MediaWiki does not count these characters as part of the url.
        url = url.rstrip(".,;:!?" if "(" in url else ".,;:!?)")
    while match := _ARCHIVED.match(url):
        url = match[1] if "://" in match[1] else unquote(match[1])
    parts = _split(url)
    if parts and _ARCHIVE_HOST.fullmatch(parts.netloc):
        (inner,) = parse_qs(parts.query).get("url", [""])[:1]
        parts = _split(inner)
    return parts.geturl() if parts else None


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host or "." not in host.strip("."):
        return None
    return parts._replace(netloc=parts.netloc.lower(), fragment="")
