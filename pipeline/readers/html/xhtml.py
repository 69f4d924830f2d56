"""XHTML as HTML: an XML document is written again so that an HTML parser sees the same elements.

In XML, ``<title/>`` and ``<script src="a.js"/>`` are whole elements. To an HTML parser they are
start tags, and all text behind them is theirs. CDATA sections are comments to it.
"""

from __future__ import annotations

import re
from html import escape
from xml.parsers import expat

_VOID = {
    *("area", "base", "basefont", "bgsound", "br", "col", "embed", "frame", "hr", "img"),
    *("input", "keygen", "link", "meta", "param", "source", "track", "wbr"),
}
_NOT_SHOWN = {
    *("iframe", "noembed", "noframes", "noscript", "script", "style", "svg", "textarea"),
}
_HTML_NAMESPACE = "http://www.w3.org/1999/xhtml"
_ELEMENT_OF_HTML = re.compile(r"[a-zA-Z][\w.-]*", re.ASCII)
_EMPTY = re.compile(r"""<([a-zA-Z][\w.:-]*)(?=[\s/])((?:[^<>"']|"[^"<]*"|'[^'<]*')*)(?<=/)>""")
_MAX_GROWTH = 8
"""How many times larger than the document what is written may be, beside entities of its own."""


class _GrownError(Exception):
    """Entities make more text than the document has."""


def html_of_xhtml(text: str) -> str:
    """HTML with the same elements and text as an XHTML document.

    Entities are those of HTML and those that the document declares. In a document that is not
    well-formed, empty elements (``<title/>``) get an end tag, and the rest is left to the rules of
    HTML.
    """
    text = text.lstrip("\ufeff \t\r\n")
    try:
        return _Writer(text).html()
    except (expat.ExpatError, UnicodeEncodeError, _GrownError):
        return _EMPTY.sub(_with_end_tag, text)


def _with_end_tag(match: re.Match[str]) -> str:
    name = match[1]
    return match[0] if name.lower() in _VOID else f"<{name}{match[2][:-1]}></{name}>"


class _Writer:
    """A writer of HTML, which takes what an XML parser finds, in its order."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._out = ["<!DOCTYPE html>"]
        self._left = _MAX_GROWTH * len(text)  # characters that may still be written
        self._hidden = 0  # open elements from the one on that is not shown
        self._in_title = 0  # open elements from the title on
        self._html_prefixes = {""}

    def html(self) -> str:
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.UseForeignDTD(True)  # entities that are not declared are skipped, not errors
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.SkippedEntityHandler = self._entity
        parser.Parse(self._text, True)
        return "".join(self._out)

    def _write(self, html: str) -> None:
        self._left -= len(html)
        if self._left < 0:
            raise _GrownError
        self._out.append(html)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        for attribute, value in attributes.items():
            if attribute.startswith("xmlns:") and value == _HTML_NAMESPACE:
                self._html_prefixes.add(attribute.removeprefix("xmlns:"))
        name = self._html_name(name)
        if self._hidden or name in _NOT_SHOWN:
            self._hidden += 1
        elif self._in_title:
            self._in_title += 1
        else:
            self._in_title = int(name == "title")
            shown = [
                f' {attribute}="{escape(value)}"'
                for attribute, value in attributes.items()
                if not attribute.startswith("xmlns")
            ]
            self._write(f"<{name}{''.join(shown)}>")

    def _end(self, name: str) -> None:
        name = self._html_name(name)
        if self._hidden:
            self._hidden -= 1
        elif self._in_title > 1:
            self._in_title -= 1
        else:
            self._in_title = 0
            if name not in _VOID:
                self._write(f"</{name}>")

    def _characters(self, text: str) -> None:
        if not self._hidden:
            self._write(escape(text, quote=False))

    def _entity(self, name: str, is_parameter: bool) -> None:
        if not (self._hidden or is_parameter):
            self._write(f"&{name};")

    def _html_name(self, name: str) -> str:
        """Return the name of an HTML element, or one that HTML does not know."""
        prefix, _, local = name.rpartition(":")
        if prefix in self._html_prefixes and _ELEMENT_OF_HTML.fullmatch(local):
            return local
        return "svg" if local == "svg" else "x-" + re.sub(r"\W", "-", local)
