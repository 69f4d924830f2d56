"""Conversion of wikitext to the text that a reader sees, without tables, templates and references.

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
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from transforms.documents import drop, with_column
from transforms.wikipedia.lines import BREAK, read_lines
from transforms.wikipedia.names import (
    CATEGORY_NAMES,
    COMMON_DISAMBIGUATION_TEMPLATES,
    DISAMBIGUATION_TEMPLATES,
    FILE_NAMES,
    names_of,
)
from transforms.wikipedia.quotes import without_quotes

MAX_DEPTH = 64
"""Deepest nesting of brackets. Deeper ones are dropped as if they had no partner. MediaWiki's own
limit is 40."""

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

_BRACKETS = re.compile(
    r"\{\{+|\}\}+|\[\[|\]+|\[(?=(?:https?:|ftps?:|irc:|news:|gopher:)?//|mailto:)", re.IGNORECASE
)
_EXTERNAL = re.compile(r"\s*(?:(?:https?:|ftps?:|irc:|news:|gopher:)?//|mailto:)", re.IGNORECASE)
_LANGUAGE_PREFIX = re.compile(r"(?:[a-z]{2,3}(?:-[a-z-]{2,12})?|simple)")
_RANGES = frozenset(("to", "and", "by", "or", "x", "×", "-", "–", "+/-"))
_NAMED_ARGUMENT = re.compile(r"\s*([^\s=<>\[\]{}][^=<>\[\]{}]{0,60})=")

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
    r"</?(?:span|small|big|sup|sub|b|i|u|s|em|strong|font|tt|code|cite|abbr|bdi|bdo|del|ins|strike"
    r"|mark|var|kbd|samp|dfn|q|ruby|rb|rt|rp|rtc|time|data|wbr|li|noinclude|onlyinclude|ref|nowiki"
    r"|math|includeonly|source|syntaxhighlight|pre|timeline|a|img|translate|tvar|languages"
    r"|col|colgroup|thead|tfoot)\b[^<>]*>",
    re.IGNORECASE,
)
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

    Templates, tables, references, files and images with their captions, categories, comments and
    tags are removed. The visible text of links, headings, lists, formatting and verbatim text
    stays. ``text_templates`` names templates of inline text, with the numbers of the arguments that
    they show: ``{"lang": [2]}`` keeps ``oui`` of ``{{lang|fr|oui}}``. Formulas stay as LaTeX
    between dollars. A heading without text below it is removed.

    With ``drop_disambiguation``, disambiguation pages are dropped as ``disambiguation``. Documents
    without any text left are dropped as ``empty``. Takes time linear in the text, whatever it
    holds.
    """
    texts: list[str] = []
    ambiguous = np.zeros(batch.num_rows, np.bool_)
    shown = {name.lower(): tuple(numbers) for name, numbers in text_templates.items()}
    rows = zip(batch["text"].to_pylist(), batch["language"].to_pylist(), strict=True)
    for row, (wikitext, language) in enumerate(rows):
        aside = _put_aside(wikitext)
        if drop_disambiguation and _disambiguation(language).search(aside.text):
            ambiguous[row] = True
            texts.append("")
        else:
            texts.append(_text(aside, language, shown))
    batch = with_column(batch, "text", texts)
    batch = drop(batch, ambiguous, "disambiguation")
    return drop(batch, np.array([not text for text in texts], np.bool_), "empty")


def wikitext_to_text(
    wikitext: str, language: str | None, text_templates: Mapping[str, Sequence[int]]
) -> str:
    """Turn the wikitext of one article into text, as :func:`clean_wikitext` does."""
    shown = {name.lower(): tuple(numbers) for name, numbers in text_templates.items()}
    return _text(_put_aside(wikitext), language, shown)


class _Aside(NamedTuple):
    """Wikitext with markers, and the verbatim text of each marker."""

    text: str
    verbatim: list[str]


def _text(aside: _Aside, language: str | None, shown: Mapping[str, tuple[int, ...]]) -> str:
    text = _resolve_brackets(aside.text, _hidden_namespaces(language), shown)
    if language == "sr":
        text = text.replace("-{", "").replace("}-", "")
    text = _without_tables(text)
    text = _without_tags(without_quotes(text))
    text = _HOLES.sub("", _SPACES.sub(" ", text))
    text = _SPACE_BEFORE_STOP.sub("", _SPACES.sub(" ", text))
    text = read_lines(text)
    return _MARKER.sub(lambda match: aside.verbatim[int(match.group(1))], text).strip()


@cache
def _disambiguation(language: str | None) -> re.Pattern[str]:
    names = names_of(DISAMBIGUATION_TEMPLATES, language, COMMON_DISAMBIGUATION_TEMPLATES)
    choice = "|".join(re.escape(name).replace(r"\ ", "[ _]") for name in sorted(names))
    return re.compile(rf"\{{\{{\s*(?:{choice})\s*(?:\||\}}\}})|__DISAMBIG__", re.IGNORECASE)


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


class _Frame(NamedTuple):
    """An open bracket."""

    kind: str  # "{", "[" for [[, "h" for [http
    begin: int  # index in the output at which its content begins
    braces: int  # number of braces that are still open


def _resolve_brackets(
    text: str, hidden: frozenset[str], shown: Mapping[str, tuple[int, ...]]
) -> str:
    """Replace templates and links by the text that they show."""
    out: list[str] = []
    stack: list[_Frame] = []
    templates = 0  # number of open templates on the stack
    at = 0
    for match in _BRACKETS.finditer(text):
        token = match.group()
        if match.start() > at:
            out.append(text[at : match.start()])
        at = match.end()
        kind = token[0]
        if kind == "{":
            if len(stack) < MAX_DEPTH:
                stack.append(_Frame("{", len(out), len(token)))
                templates += 1
        elif kind == "}":
            left = len(token)
            while left > 1 and templates:
                while stack[-1].kind != "{":
                    stack.pop()
                frame = stack.pop()
                size = 3 if min(left, frame.braces) >= 3 else 2
                left -= size
                _close_template(out, frame.begin, shown)
                if frame.braces - size > 1:
                    stack.append(frame._replace(braces=frame.braces - size))
                else:
                    templates -= 1
        elif kind == "]":
            _close_brackets(out, stack, len(token), hidden)
        elif len(stack) < MAX_DEPTH:
            if token == "[":
                out.append("[")
            stack.append(_Frame("[" if token == "[[" else "h", len(out), 0))
    out.append(text[at:])
    return "".join(out)


def _close_brackets(out: list[str], stack: list[_Frame], size: int, hidden: frozenset[str]) -> None:
    """Resolve the links that a run of ``size`` brackets ``]`` closes."""
    while size:
        kind = stack[-1].kind if stack else ""
        if kind == "h" and not (size == 2 and len(stack) > 1 and stack[-2].kind == "["):
            begin = stack.pop().begin
            content = "".join(out[begin:])
            if "\n" in content:
                out.append("]")
            else:
                out[begin - 1 :] = [_after_address(content)]
            size -= 1
        elif kind == "h":
            stack.pop()
        elif size == 1:
            out.append("]")
            size = 0
        elif kind == "[":
            begin = stack.pop().begin
            out[begin:] = [_link("".join(out[begin:]), hidden)]
            size -= 2
        else:
            size -= 2


def _after_address(content: str) -> str:
    parts = content.split(None, 1)
    return parts[1].rstrip() if len(parts) > 1 else ""


def _link(content: str, hidden: frozenset[str]) -> str:
    """Return the text that ``[[content]]`` shows."""
    target, bar, label = content.partition("|")
    if ":" in target:
        if _EXTERNAL.match(target):
            return _after_address(content)
        prefix = target.partition(":")[0].strip()
        if prefix.lower().replace("_", " ") in hidden:
            return ""
        if not bar and prefix and _LANGUAGE_PREFIX.fullmatch(prefix):
            return ""
        target = target.strip().removeprefix(":")
    return label if label.strip() else target.strip()


def _close_template(out: list[str], begin: int, shown: Mapping[str, tuple[int, ...]]) -> None:
    """Replace the template that ends the output, from ``begin`` on, by the text that it shows."""
    if begin >= len(out):
        return
    name = out[begin].partition("|")[0].strip().lower().replace("_", " ")
    numbers = shown.get(name)
    if numbers is None:
        del out[begin:]
        return
    arguments: dict[str, str] = {}
    count = 0
    for argument in "".join(out[begin:]).split("|")[1:]:
        named = _NAMED_ARGUMENT.match(argument)
        if named:
            arguments[named.group(1).strip()] = argument[named.end() :].strip()
        else:
            count += 1
            arguments[str(count)] = argument.strip()
    if numbers == (1, 2) and arguments.get("2") in _RANGES:
        numbers = (1, 2, 3, 4)  # a range of measures: {{convert|5|to|10|km}}
    out[begin:] = [" ".join(filter(None, (arguments.get(str(number)) for number in numbers)))]


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
    if "__" in text:
        text = _SWITCH.sub(lambda match: "" if match.group().isupper() else match.group(), text)
    return _without_entities(text)


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
