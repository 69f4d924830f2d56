"""Conversion of wikitext to the text that a reader sees, without tables and references.

There are four passes. Each takes time linear in the text.

1. Elements whose content is no wikitext (comments, ``<nowiki>``, ``<math>``, ``<ref>`` and the
   like) are removed, or set aside and replaced by a marker. They are taken in the order of the
   text, as in MediaWiki's preprocessor.
2. A scanner with one stack resolves ``{{...}}``, ``[[...]]`` and ``[http://...]``, from the inside
   out. Brackets without a partner are dropped, and the text after them stays.
3. Tables and tags are removed.
4. Lines are converted: headings, lists, preformatted text.

The grammar is that of https://www.mediawiki.org/wiki/Preprocessor_ABNF and Help:Formatting.
"""

from __future__ import annotations

import html.entities
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache, partial
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from transforms.documents import drop, with_column
from transforms.kernels.superscripts import script
from transforms.wikipedia.brackets import resolve_brackets
from transforms.wikipedia.disambiguation import is_disambiguation
from transforms.wikipedia.lines import BREAK, read_lines
from transforms.wikipedia.magic_words import plain_signs
from transforms.wikipedia.names import (
    CATEGORY_NAMES,
    FILE_NAMES,
    names_of,
)
from transforms.wikipedia.quotes import without_quotes
from transforms.wikipedia.templates import shown_by_template
from transforms.wikipedia.variants import one_variant

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
_OPAQUE = re.compile(
    r"<!--|<(ref|nowiki|math|chem|ce|source|syntaxhighlight|pre|gallery|includeonly|timeline|score"
    r"|hiero|graph|imagemap|mapframe|maplink|inputbox|categorytree|charinsert|templatedata"
    r"|templatestyles|indicator|section|style|script)\b([^<>]*)>",
    re.IGNORECASE,
)
_NEXT_REFERENCE_TAG = re.compile(r"</ref\s*>|<ref\b[^<>]*(?<!/)>", re.IGNORECASE)
_VERBATIM = frozenset(("nowiki", "pre", "source", "syntaxhighlight"))
_FORMULAS = frozenset(("math", "chem", "ce"))
_MARKER = re.compile("\x01([0-9]+)\x02")

_TABLE = re.compile(r"^[ \t:*#;]*\{\||^[ \t]*\|\}", re.MULTILINE)
_TAG_TABLE = re.compile(r"<(/?)table\b[^<>]*>", re.IGNORECASE)
_BREAK_TAG = re.compile(r"</?br\b[^<>]*>", re.IGNORECASE)
_BLOCK_TAG = re.compile(
    r"</?(?:p|div|center|blockquote|poem|ul|ol|dl|dd|dt|hr|h[1-6]|tr|td|th|caption|references|table"
    r"|tbody|section|gallery)\b[^<>]*>",
    re.IGNORECASE,
)
_ITEM_TAG = re.compile(r"<li\b[^<>]*>", re.IGNORECASE)
_INLINE_TAG = re.compile(
    r"</?(?:span|small|big|b|i|u|s|em|strong|font|tt|code|cite|abbr|bdi|bdo|del|ins|strike"
    r"|mark|var|kbd|samp|dfn|q|ruby|rb|rt|rp|rtc|time|data|wbr|li|noinclude|onlyinclude|ref|nowiki"
    r"|math|includeonly|source|syntaxhighlight|pre|timeline|a|img|translate|tvar|languages"
    r"|col|colgroup|thead|tfoot)\b[^<>]*>",
    re.IGNORECASE,
)
_SCRIPT = re.compile(r"<(su[pb])\b[^<>]*>([^<>\n]*)</\1\s*>", re.IGNORECASE)
_SCRIPT_TAG = re.compile(r"</?su[pb]\b[^<>]*>", re.IGNORECASE)
_SWITCH = re.compile(r"__[^\W\d_]+(?:_[^\W\d_]+)*__")
_ENTITY = re.compile(r"&(#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});")
_HOLES = re.compile(r"[(（][\s,;:–]*[)）]|(?<=[(（]) ?[,;][ ,;]*|(?<![ ,;])[ ,;]+(?=[)）])")
"""Pattern of what a dropped template leaves: empty brackets, and separators next to brackets."""
_SPACE_BEFORE_STOP = re.compile(r"(?<=\S) (?=[,.](?:\s|$))")
_SPACES = re.compile("[ \t\u00a0]{2,}|[\t\u00a0]")


def clean_wikitext(
    batch: pa.RecordBatch,
    *,
    drop_disambiguation: bool,
    text_templates: Mapping[str, Sequence[int]],
) -> pa.RecordBatch:
    """Turn documents of wikitext into text. The column ``language`` chooses the localisation.

    Tables, references, files and images with their captions, categories, comments and tags are
    removed. The visible text of links, headings, lists, formatting and verbatim text stays. Of
    templates stay those of running text (units, dates, languages, quotations, dashes) that
    ``template_tables`` has for the language. ``text_templates`` names others, with the numbers of
    the arguments that they show: ``{"lang": [2]}`` keeps ``oui`` of ``{{lang|fr|oui}}``. Formulas
    stay as LaTeX between dollars. A heading without text below it is removed.

    With ``drop_disambiguation``, disambiguation pages are dropped as ``disambiguation``. Documents
    without any text left are dropped as ``empty``. Takes time linear in the text, whatever it
    holds.
    """
    texts: list[str] = []
    ambiguous = np.zeros(batch.num_rows, np.bool_)
    shown = {name.lower(): tuple(numbers) for name, numbers in text_templates.items()}
    columns = [batch[name].to_pylist() for name in ("text", "language", "metadata")]
    for row, (wikitext, language, metadata) in enumerate(zip(*columns, strict=True)):
        aside = _put_aside(wikitext)
        title = json.loads(metadata).get("title") if metadata else None
        if drop_disambiguation and is_disambiguation(aside.text, title, language):
            ambiguous[row] = True
            texts.append("")
        else:
            texts.append(_text(aside, language, shown))
    batch = with_column(batch, "text", texts)
    batch = drop(batch, ambiguous, "disambiguation")
    return drop(batch, np.array([not text for text in texts], np.bool_), "empty")


class _Aside(NamedTuple):
    """Wikitext with markers, and the verbatim text of each marker."""

    text: str
    verbatim: list[str]


def _text(aside: _Aside, language: str | None, shown: Mapping[str, tuple[int, ...]]) -> str:
    text = one_variant(aside.text) if language == "sr" else aside.text
    show = partial(shown_by_template, language=language, shown=shown)
    text = plain_signs(resolve_brackets(text, _hidden_namespaces(language), show))
    text = _without_tables(text)
    text = _without_tags(without_quotes(text))
    text = _HOLES.sub("", _SPACES.sub(" ", text))
    text = _SPACE_BEFORE_STOP.sub("", _SPACES.sub(" ", text))
    text = read_lines(text)
    return _MARKER.sub(lambda match: aside.verbatim[int(match.group(1))], text).strip()


@cache
def _hidden_namespaces(language: str | None) -> frozenset[str]:
    files = names_of(FILE_NAMES, language, "File|Image")
    return files | names_of(CATEGORY_NAMES, language, "Category")


def _put_aside(text: str) -> _Aside:
    """Remove the elements that readers do not see, and replace verbatim text by markers."""
    text = _CONTROL.sub("", text)
    pieces: list[str] = []
    verbatim: list[str] = []
    without_end: set[str] = set()
    at = 0
    while match := _OPAQUE.search(text, at):
        pieces.append(text[at : match.start()])
        at = match.end()
        name = (match.group(1) or "").lower()
        if not name:
            end = text.find("-->", at)
            at = len(text) if end < 0 else end + len("-->")
            # A comment alone on its line goes with the line.
            if (not pieces[-1] or pieces[-1][-1] == "\n") and text[at : at + 1] == "\n":
                at += 1
            continue
        if match.group(2).endswith("/") or name in without_end:
            continue
        end_tag = _end_tag(name).search(text, at)
        if not end_tag:
            without_end.add(name)
        elif end_tag.group()[1] == "/":  # else the next <ref> comes first, and this one has no end
            if shown := _shown_of(name, text[at : end_tag.start()]):
                verbatim.append(shown)
                line_end = "\n" if "\n" in shown else ""
                pieces.append(f"{line_end}\x01{len(verbatim) - 1}\x02{line_end}")
            at = end_tag.end()
    pieces.append(text[at:])
    return _Aside("".join(pieces), verbatim)


@cache
def _end_tag(name: str) -> re.Pattern[str]:
    return _NEXT_REFERENCE_TAG if name == "ref" else re.compile(rf"</{name}\s*>", re.IGNORECASE)


def _shown_of(name: str, content: str) -> str:
    if name in _FORMULAS:
        formula = " ".join(content.split())
        return f"${formula}$" if formula else ""
    if name in _VERBATIM:
        content = content.strip("\n")
        return content if name in ("source", "syntaxhighlight") else _without_entities(content)
    return ""


def _without_tables(text: str) -> str:
    """Remove tables, of wikitext and of HTML, with the tables inside them."""
    if "{|" in text:
        marks = [(*mark.span(), "{" in mark.group()) for mark in _TABLE.finditer(text)]
        text = _without_spans(text, marks)
    if "<table" in text.lower():
        marks = [(*mark.span(), not mark.group(1)) for mark in _TAG_TABLE.finditer(text)]
        text = _without_spans(text, marks)
    return text


def _without_spans(text: str, marks: list[tuple[int, int, bool]]) -> str:
    """Cut the text from each opening mark to its closing mark. Marks without a partner stay."""
    opened: list[int] = []
    spans: list[tuple[int, int]] = []
    for begin, end, opens in marks:
        if opens:
            opened.append(begin)
        elif opened:
            outer = opened.pop()
            while spans and spans[-1][0] > outer:
                spans.pop()
            spans.append((outer, end))
    pieces = []
    at = 0
    for begin, end in spans:
        pieces.append(text[at:begin])
        at = end
    pieces.append(text[at:])
    return "".join(pieces)


def _without_tags(text: str) -> str:
    if "<" in text:
        text = _BREAK_TAG.sub(BREAK, text)
        text = _ITEM_TAG.sub("\n* ", text)
        text = _BLOCK_TAG.sub("\n", text)
        text = _INLINE_TAG.sub("", text)
        text = _SCRIPT_TAG.sub("", _SCRIPT.sub(_script, text))
    if "__" in text:
        text = _SWITCH.sub(lambda match: "" if match.group().isupper() else match.group(), text)
    return _without_entities(text)


def _script(match: re.Match[str]) -> str:
    before = match.string[match.start() - 1 : match.start()]
    return script(match[1].lower(), _without_entities(match[2]), before)


def _without_entities(text: str) -> str:
    return _ENTITY.sub(_character, text) if "&" in text else text


def _character(match: re.Match[str]) -> str:
    name = match.group(1)
    if name[0] != "#":
        return html.entities.html5.get(name + ";", match.group())
    code = int(name[2:], 16) if name[1] in "xX" else int(name[1:])
    if code in (9, 10, 13) or 32 <= code < 0xD800 or 0xE000 <= code < 0x110000:
        return chr(code)
    return ""
