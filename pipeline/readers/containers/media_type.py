"""The media type of a response, as the Fetch standard extracts it from ``Content-Type``.

https://fetch.spec.whatwg.org/#concept-header-extract-mime-type and
https://mimesniff.spec.whatwg.org/#parsing-a-mime-type.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_SPACE = "\t\n\r "
_VALUE = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*(?:"|\\?\Z))+', re.S)  # to a comma out of quotes
_ESSENCE = re.compile(rf"({_TOKEN}/{_TOKEN})[{_SPACE}]*(?:;|\Z)")
_PARAMETER = re.compile(
    rf'[{_SPACE}]*(?P<name>[^;=]*)(?:=(?:"(?P<quoted>(?:[^"\\]|\\.)*)(?:"|\\?\Z)[^;]*'
    r"|(?P<bare>[^;]*)))?(?:;|\Z)",
    re.S,
)
_LATIN_1 = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_SAYS_CHARSET = re.compile(r"""charset\s*=\s*["']?\s*([\w:.-]+)""", re.IGNORECASE)


class MediaType(NamedTuple):
    """A media type, such as ``text/html``, and the label of its encoding, both as they are said."""

    essence: str  # in lower case; empty if the header says none
    charset: str | None = None
    hint: str | None = None  # what else the header seems to say of the encoding


def media_type(header: str) -> MediaType:
    """Return the media type that the values of ``Content-Type``, joined by commas, say.

    The last valid one of the list counts. Its encoding is its own, or that of an equal one before.
    """
    found = MediaType("")
    for value in _VALUE.findall(header):
        essence = _ESSENCE.match(value.strip(_SPACE))
        if not essence or essence[1] == "*/*":
            continue
        name = essence[1].lower()
        charset = _charset(value.strip(_SPACE)[essence.end() :])
        found = MediaType(name, charset or (found.charset if name == found.essence else None))
    said = _SAYS_CHARSET.search(header)
    return found._replace(hint=said[1]) if said else found


def _charset(parameters: str) -> str | None:
    at = 0
    while at < len(parameters):
        parameter = _PARAMETER.match(parameters, at)
        assert parameter  # any text up to a semicolon is one
        at = parameter.end()
        quoted = parameter["quoted"]
        value = re.sub(r"\\(.)", r"\1", quoted, flags=re.S) if quoted is not None else None
        if value is None and parameter["bare"] is not None:
            value = parameter["bare"].rstrip(_SPACE) or None
        named = parameter["name"].lower() == "charset" and value is not None
        if named and value is not None and _LATIN_1.fullmatch(value):
            return value
    return None
