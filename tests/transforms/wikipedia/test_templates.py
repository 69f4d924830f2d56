"""What sentences show that hold templates, as their pages do."""

from __future__ import annotations

import pytest
import yaml

from tests.support.plain.wikitext import wikitext_to_text
from transforms.wikipedia import inline_templates
from transforms.wikipedia.inline_templates import inline_template, rule_of
from transforms.wikipedia.names import FILE_NAMES


def cases(*rows: tuple[str, str, str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("language", "wikitext", "text"), rows)


@cases(
    ("en", "a {{formatnum:12345.5}} b {{FORMATNUM: 999 }}", "a 12,345.5 b 999"),
    ("de", "a {{formatnum:12345.5}} {{formatnum:12345|R}}", "a 12.345,5 12345"),
    ("it", "con {{formatnum:3769495}} abitanti", "con 3 769 495 abitanti"),
    ("pl", "{{formatnum:1234}} i {{formatnum:12345}}", "1234 i 12 345"),
    ("sv", "{{formatnum:-7}} °C", "-7 °C"),
    ("en", "{{lc:ABC}} {{ucfirst:abc}} {{#if: x | y | z }}{{#if:{{{1|}}}|a|b}}", "abc Abc yb"),
    ("en", "a {{PLURAL:2|dog|dogs}} {{#tag:ref|x}}{{#invoke:y|z}}{{DEFAULTSORT:x}}b", "a dogs b"),
    ("en", "[[Mill on the hill{{!}}mill]] a{{=}}b {{nowrap|1=c{{=}}d{{!}}e}}", "mill a=b c=d|e"),
    ("en", "a\n{{{!}} class=x\n{{!}} b\n{{!}}}\nc", "a\n\nc"),
)
def test_parser_functions_and_magic_words(language: str, wikitext: str, text: str) -> None:
    assert wikitext_to_text(wikitext, language, {}) == text


@cases(
    ("en", "{{convert|5|ft|11|in|cm}}", "5 ft 11 in"),
    ("en", "{{convert|3.2|e6acre|ha}}", "3.2 million acres"),
    ("en", "{{convert|1500|m|ft|0}} {{cvt|-40|F|C}}", "1,500 m -40 °F"),
    ("en", "{{convert|3|to|5|km|mi|abbr=on}} {{cvt|2|x|4|in|mm}}", "3 to 5 km 2 × 4 in"),
    ("en", "{{convert|1+1/2|mi|km}} {{convert|100|km2}}", "1 1/2 mi 100 km²"),
    ("en", "{{val|1.5|0.1|e=-3|u=kg}} {{frac|3|4}} {{frac|2|3|4}}", "1.5±0.1 × 10^-3 kg 3/4 2 3/4"),
    ("en", "{{chem|H|2|O}} {{chem|Ge|9|4-}}", "H_2O Ge_9^4-"),
    (
        "fr",
        "{{unité|12500|km|2}} {{unité|9,81|m|s|-2}} {{nombre|7|jours}}",
        "12 500 km² 9,81 m s^-2 7 jours",
    ),
    ("it", "{{M|15|ul=km}} a {{m s.l.m.|900}}", "15 km a 900 m s.l.m."),
    ("sv", "{{nbr|4500}}", "4 500"),
    ("hu", "{{szám|528498}} fő", "528 498 fő"),
    ("ru", "{{num|12345|км}} пути", "12 345 км пути"),
)
def test_numbers_and_units(language: str, wikitext: str, text: str) -> None:
    assert wikitext_to_text(wikitext, language, {}) == text


@cases(
    (
        "es",
        "el {{fecha|3|5|1970}} y {{fecha de inicio|1970|5|3}}",
        "el 3 de mayo de 1970 y 3 de mayo de 1970",
    ),
    ("pt", "{{dni|9|1|1901}}, {{data|março|1850}}", "9 de janeiro de 1901, março de 1850"),
    ("fr", "{{date|1|1|2007}}, {{date|2 mars}}, {{date|1156}}", "1er janvier 2007, 2 mars, 1156"),
    ("ca", "{{data|11|10|1812}}", "11 d'octubre de 1812"),
    ("ru", "{{date|3|5|1970}}, {{дата рождения|30|12|999}}", "3 мая 1970, 30 декабря 999"),
    ("pl", "{{data|1970|5|3}}", "3 maja 1970"),
    ("cs", "{{datum narození a věk|1970|5|3}}", "3. května 1970"),
    ("hu", "{{dátum|1970|5|3}}", "1970. május 3."),
    ("en", "{{start date|1850}}, {{start date|1850|3}}", "1850, March 1850"),
)
def test_dates(language: str, wikitext: str, text: str) -> None:
    assert wikitext_to_text(wikitext, language, {}) == text


@cases(
    (
        "en",
        "{{Birth date|1850|3|4|df=y}} {{Start date|1850|3|4}} {{as of|2011|6|lc=y}}",
        "4 March 1850 March 4, 1850 as of June 2011",
    ),
    (
        "fr",
        "né le {{date de naissance|4|mars|1850}} au {{s-|XVII|e}}, le {{1er}} mai",
        "né le 4 mars 1850 au XVIIe siècle, le 1er mai",
    ),
    ("fr", "du {{XXe siècle}}, {{3e}} éd., l{{'}}''ÖBB''", "du XXe siècle, 3e éd., l'ÖBB"),
    ("ca", "al {{segle|XIX}}", "al segle XIX"),
    ("en", "a{{mdash}}b{{snd}}c{{nbsp}}d ''e''{{'s}}", "a—b – c d e's"),
    (
        "en",
        "({{lang-ru|Волга}}), {{lang|fr|oui}} {{circa|1300}} {{HMS|Ajax|22}}",
        "(Волга), oui c. 1300 HMS Ajax",
    ),
    ("de", 'er sah {{"|wir}}', "er sah „wir“"),
    (
        "ru",
        "({{lang-de|Ortsteil}}) {{нп5|Архив|||Archive}}{{Нет АИ|3|01|2018}}.",
        "(Ortsteil) Архив.",
    ),
)
def test_dates_languages_and_constants(language: str, wikitext: str, text: str) -> None:
    assert wikitext_to_text(wikitext, language, {}) == text


@cases(
    (
        "en",
        "He said:\n{{quote|No [[bird]] flew.|A. Poet|Songs}}\nb",
        "He said:\n\nNo bird flew.\n— A. Poet, Songs\n\nb",
    ),
    ("en", "{{columns-list|colwidth=9em|\n* a\n* b\n}}", "- a\n- b"),
    ("en", "{{unbulleted list|a|b}}c {{hlist|d|e}}", "- a\n- b\nc d, e"),
    ("it", "{{quote|Non si vede bene.|Autore}}", "«Non si vede bene.»"),
)
def test_quotations_and_lists(language: str, wikitext: str, text: str) -> None:
    assert wikitext_to_text(wikitext, language, {}) == text


def test_a_recipe_is_ahead_of_the_tables() -> None:
    assert wikitext_to_text("{{convert|5|km|mi}}", "en", {"convert": [1]}) == "5"


@pytest.mark.parametrize("language", ["common", *sorted(FILE_NAMES)])
def test_every_table_can_be_read(language: str) -> None:
    path = inline_templates._FOLDER / f"{language}.yaml"
    table = yaml.safe_load(path.read_text(encoding="utf-8"))
    names = [name for names in table["templates"].values() for name in names]
    assert len(names) == len(set(names)) and len(names) >= 30
    for name in names:
        assert name == name.lower()
        rule = inline_template(name, language)
        assert rule is not None
        assert isinstance(rule({}), str) and isinstance(rule({"1": "1", "2": "2"}), str)


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(ValueError, match="=volume is no form of templates: as of, chemical"):
        rule_of("=volume", "en", {})
