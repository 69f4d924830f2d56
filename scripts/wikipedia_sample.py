"""The sample of Wikipedia: small ``pages-articles`` dumps of three languages, one multistream."""

from __future__ import annotations

import bz2
import re
from pathlib import Path
from xml.sax.saxutils import escape

from source_texts import sections

DATE = "20180320"
LANGUAGES = ("en", "fr", "de")
MULTISTREAM_LANGUAGE = "en"
PAGES_A_STREAM = 4
NAMESPACES = {
    "en": {1: "Talk", 10: "Template", 14: "Category"},
    "fr": {1: "Discussion", 10: "Modèle", 14: "Catégorie"},
    "de": {1: "Diskussion", 10: "Vorlage", 14: "Kategorie"},
}
_REDIRECT = re.compile(r"#(?:REDIRECT|REDIRECTION|WEITERLEITUNG) \[\[([^\]]+)\]\]")


def head(language: str) -> str:
    """Return the part of a dump before the first page."""
    names = "".join(
        f'      <namespace key="{key}" case="first-letter">{name}</namespace>\n'
        for key, name in NAMESPACES[language].items()
    )
    return f"""<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.10/" version="0.10" xml:lang="{language}">
  <siteinfo>
    <sitename>Wikipedia</sitename>
    <dbname>{language}wiki</dbname>
    <generator>a sample that was written for this project</generator>
    <case>first-letter</case>
    <namespaces>
      <namespace key="0" case="first-letter" />
{names}    </namespaces>
  </siteinfo>
"""  # noqa: E501


def page(number: int, title: str, namespace: str, text: str) -> str:
    """Return a page with one revision as XML."""
    target = _REDIRECT.match(text)
    redirect = f'    <redirect title="{escape(target[1])}" />\n' if target else ""
    return f"""  <page>
    <title>{escape(title)}</title>
    <ns>{namespace}</ns>
    <id>{number}</id>
{redirect}    <revision>
      <id>{900_000 + number}</id>
      <timestamp>2018-03-{number % 19 + 1:02d}T12:{number % 60:02d}:00Z</timestamp>
      <contributor>
        <username>Somebody</username>
        <id>7</id>
      </contributor>
      <model>wikitext</model>
      <format>text/x-wiki</format>
      <text xml:space="preserve">{escape(text.rstrip(), {'"': "&quot;"})}</text>
    </revision>
  </page>
"""


def write_wikipedia(folder: Path) -> None:
    """Write a dump of each language, from ``samples/texts/wikipedia-LANGUAGE.txt``."""
    folder.mkdir(parents=True, exist_ok=True)
    for language in LANGUAGES:
        pages = [
            page(number, title, namespace, text)
            for number, ((title, namespace), text) in enumerate(
                sections(f"wikipedia-{language}.txt"), 10
            )
        ]
        begin, end = head(language), "</mediawiki>\n"
        name = f"{language}wiki-{DATE}-pages-articles"
        if language == MULTISTREAM_LANGUAGE:
            pages.append(pages[4])  # dumps may hold a page twice
            name += "-multistream"
            groups = [
                "".join(pages[at : at + PAGES_A_STREAM])
                for at in range(0, len(pages), PAGES_A_STREAM)
            ]
            parts = [begin, *groups, end]
        else:
            parts = [begin + "".join(pages) + end]
        data = b"".join(bz2.compress(part.encode()) for part in parts)
        (folder / f"{name}.xml.bz2").write_bytes(data)
