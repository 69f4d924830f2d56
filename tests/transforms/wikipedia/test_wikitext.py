from __future__ import annotations

import re
from pathlib import Path

import pyarrow.compute as pc
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.readers.wikipedia import read_wikipedia
from tests.support.growth import assert_linear
from tests.support.plain.wikitext import wikitext_to_text
from transforms import documents
from transforms.wikipedia.disambiguation import DISAMBIGUATION_TEMPLATES
from transforms.wikipedia.names import CATEGORY_NAMES, FILE_NAMES
from transforms.wikipedia.wikitext import clean_wikitext

TEXT_TEMPLATES = {"lang": [2], "nowrap": [1], "convert": [1, 2]}
MARKUP = ("[[", "{{", "<ref", "{|")


def clean(wikitext: str, language: str | None = "en") -> str:
    return wikitext_to_text(wikitext, language, TEXT_TEMPLATES)


def cases(*pairs: tuple[str, str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("wikitext", "text"), pairs)


@cases(
    ("[[a]] [[b|c]] [[b|'''c''']]s [[d#e|f]]", "a c cs f"),
    ("[[a|b|c]] [[:Category:x]] [[:File:x|y]] [[wikt:x|y]]", "b|c Category:x y y"),
    ("a [[File:x.jpg|thumb|A [[b|c]] [http://x d]]] e", "a e"),
    ("a [[Image:x.jpg|A {{b}} [[c]]\nd]] e", "a e"),
    ("a\n[[Category:X|y]]\n[[fr:B]]\n[[zh-min-nan:B]]\nb", "a\n\nb"),
    ("see [[Alien: the film]], [[Media:x.ogg|listen]]", "see Alien: the film, listen"),
    ("[http://x.y/z a ''b'' c] [//x.y d] [mailto:a@b e] [https://x] f", "a b c d e f"),
    ("[sic] a[1] b [http: c] http://x.y", "[sic] a[1] b [http: c] http://x.y"),
    ("[[a|[sic]]] [http://x a [[b|c]] d]", "[sic] a c d"),
    ("[[http://x.y a]]", "a"),
    ("[http://x a\nb] c", "[http://x a\nb] c"),
    ("[[a|]] [[|b]] [[]]", "a b"),
)
def test_links(wikitext: str, text: str) -> None:
    assert clean(wikitext) == text


@cases(
    ("a {{b|c={{d|[[e|f]]}}|g}} h", "a h"),
    ("a {{b\n|c=d\n|}}\ne", "a\ne"),
    ("a {{{b|c}}} {{{{d}}}} {{{{{e}}}}} f", "a f"),
    ("a {{lang|fr|[[b|''c'' d]]}} e", "a c d e"),
    ("a {{Lang|fr|1=x|2={{nowrap|b {{x}}c}}}} d", "a b c d"),
    ("{{convert|5|km|mi}}, {{convert|5|to|10|km|mi|abbr=on}}", "5 km, 5 to 10 km"),
    (
        "A ({{IPA|x}}) is ({{lang-de|y}}; born 1900) in ({{z}}, b{{c}}; ).",
        "A is (y; born 1900) in (b).",
    ),
    ("a {{unclosed b\n\nc [[d|e]]", "a unclosed b\n\nc e"),
    ("a }} b ]] c", "a b c"),
    ("{| a\n| {{b|\n{| c\n|}}}\n|}d", "d"),
)
def test_templates(wikitext: str, text: str) -> None:
    assert clean(wikitext) == text


@cases(
    ("a\n{| class=x\n|-\n! b\n| c || [[d]]\n{|\n| e\n|}\n|}\nf", "a\n\nf"),
    (":{|\n| a\n|} b", "b"),
    ("a\n{| class=x\n|-\n! b\n| c\n\nd", "a\n\nd"),
    ("a\n|}\n! b\nc", "a\n! b\nc"),
    ("a <table><tr><td>b<table><td>c</table></table> d", "a d"),
    ("a <table><tr><td>b", "a\n\nb"),
)
def test_tables(wikitext: str, text: str) -> None:
    assert clean(wikitext) == text


@cases(
    ("a<ref>b {{c}} [[d]]</ref> e<ref name=x/>.<ref name='y' />", "a e."),
    ("a<ref name=x>b c<ref>d</ref> e", "ab c e"),
    ("a<ref>b c", "ab c"),
    ("a <!-- b -- c --> d\n<!-- e -->\nf <!-- g", "a d\nf"),
    (
        "<nowiki>[[a]] {{b}} &lt;c&gt; <!-- d --></nowiki> <nowiki/>e",
        "[[a]] {{b}} <c> <!-- d --> e",
    ),
    ("a <math>\\frac{{b}}{c}\n</math> d", "a $\\frac{{b}}{c}$ d"),
    (
        "a\n<syntaxhighlight lang=c>\n  if (a) {\n    b[[1]];\n\n  }\n</syntaxhighlight>\nc",
        "a\n\n  if (a) {\n    b[[1]];\n\n  }\n\nc",
    ),
    ("<gallery>\nx.jpg|a [[b]]\n</gallery>c<timeline>d</timeline>", "c"),
    ("#include <stdio.h> a < b > c", "1. include <stdio.h> a < b > c"),
    ("a<br />b<br>c <span style='x'>d</span><sup>2</sup> <b>e</b>", "a\nb\nc d^2 e"),
    ("<p>a</p><ul><li>b</li><li>c</li></ul>", "a\n\n- b\n- c"),
    ("''a'' '''b''' '''''c''''' ''d'''e' f''''g'''' ''", "a b c de' f'g'"),
    ("a&nbsp;b &amp;lt; &ndash; &#8364; &unknown; &#1; &copy2", "a b &lt; – € &unknown; &copy2"),
    ("__NOTOC__ a __init__ __БЕЗ_СОДЕРЖАНИЯ__", "a __init__"),
    ("\x01\x000\x02 a", "0 a"),
)
def test_tags_and_the_like(wikitext: str, text: str) -> None:
    assert clean(wikitext) == text


@cases(
    ("* a\n* [[b]]\n** c\n*# d\n*# e\n*: f\n* g", "- a\n- b\n  - c\n  1. d\n  2. e\n  f\n- g"),
    ("# a\n# b<br>c\n## d\n## e\n# f\nx\n# g", "1. a\n2. b c\n  1. d\n  2. e\n3. f\nx\n1. g"),
    ("; a : b\n: c\n:: d", "a: b\nc\nd"),
    ("*\n* {{a}}\n*b", "- b"),
    ("== a ==\nb\n=== c ===\n==d==\n=== e ===\nf\n== g ==\n{{h}}", "a\nb\n\nd\n\ne\nf"),
    ("==a<br>b==\nc\n= d\n=== e = \nf", "a b\nc\n= d\n\ne\nf"),
    ("a\n==={{b}}===\n= =\n==b== c", "a\n==b== c"),
    ("a\n\n\n\nb\n c\n----\nd", "a\n\nb\nc\nd"),
)
def test_lines(wikitext: str, text: str) -> None:
    assert clean(wikitext) == text


@pytest.mark.parametrize("language", sorted(FILE_NAMES))
def test_localised_namespaces(language: str) -> None:
    files = [*FILE_NAMES[language].split("|"), "File", "Image"]
    categories = [*CATEGORY_NAMES[language].split("|"), "Category"]
    names = [name for name in files + categories if name]
    for name in names:
        for prefix in (name, name.lower(), f" {name} "):
            assert clean(f"a [[{prefix}:b|c [[d]]]]", language) == "a"
        assert clean(f"a [[:{name}:b|c]]", language) == "a c"


def test_a_name_of_another_language_is_no_namespace() -> None:
    assert clean("[[Imagine: a film|b]] [[Slika: c]]") == "b Slika: c"
    assert clean("a [[Imagine:b.jpg|c]]", "ro") == "a"


def test_variants_of_serbian() -> None:
    assert clean("-{а}- б", "sr") == "а б"
    both = "-{sr-ec:мору; sr-el:moru}-"
    assert clean(f"Ту на {both} -{{R|Wien}}-.", "sr") == "Ту на мору Wien."
    assert clean(f"Tu na {both} -{{R|Wien}}-.", "sr") == "Tu na moru Wien."
    assert clean("-{T|sr-ec:а; sr-el:a}-б -{H|а=>sr-ec:в;}--{sr-ec|г}-", "sr") == "б г"
    assert clean("На -{sr-el:moru}-, -{ {{nowrap|-{а; б}-}} }-", "sr") == "На moru, а; б"
    assert clean("-{a}- b") == "-{a}- b"


def step(texts: list[str], languages: list[str | None], *, drop: bool = True) -> list[dict]:
    batch = documents.documents([f"s/f#{at}" for at in range(len(texts))], texts)
    batch = documents.with_column(batch, "language", languages)
    cleaned = clean_wikitext(batch, drop_disambiguation=drop, text_templates=TEXT_TEMPLATES)
    cleaned.validate(full=True)
    assert cleaned["id"] == batch["id"]
    return cleaned.to_pylist()


def test_the_step() -> None:
    texts = [
        "'''a''' {{b}}",
        "{{b}}",
        "'''c''' may be:\n{{Disambiguation|x}}",
        "{{disambig info}}d",
    ]
    rows = step(texts, ["en", None, "en", "en"])
    assert [row["text"] for row in rows] == ["a", "", "", "d"]
    assert [row["dropped_by"] for row in rows] == [None, "empty", "disambiguation", None]
    rows = step(texts, ["en"] * 4, drop=False)
    assert [row["dropped_by"] for row in rows] == [None, "empty", None, None]
    assert step([], []) == []


@pytest.mark.parametrize("language", sorted(DISAMBIGUATION_TEMPLATES))
def test_disambiguation_in_every_language(language: str) -> None:
    for name in DISAMBIGUATION_TEMPLATES[language].split("|"):
        for call in (f"{{{{{name}}}}}", f"{{{{ {name.capitalize().replace(' ', '_')}\n|x}}}}"):
            (row,) = step([f"a {call}"], [language])
            assert row["dropped_by"] == "disambiguation"
            (row,) = step([f"a <nowiki>{call}</nowiki>"], [language])
            assert row["dropped_by"] is None


SIGNS = (
    "{{ }} {{{ }}} [[ ]] [ ] {| |} | || |- ! = == === * ** # : ; ' '' ''' ''''' < > & &amp; &#1;",
    "<ref> </ref> <ref/> <!-- --> <nowiki> </nowiki> <math> </math> <br> <table> </table> __",
    "__TOC__ [http://x File: Category: lang| nowrap| a b é \x01 \x010\x02 \x03 ( ) , ; ----",
)
SPACES = [" ", "\n", "\n\n", "\n*", "\n{|", "\n|}", "\n=="]
PIECES = st.sampled_from([sign for line in SIGNS for sign in line.split(" ")] + SPACES)


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=60).map("".join) | st.text(max_size=200))
@example("\x01999\x02 <nowiki>x</nowiki>")
def test_any_text(wikitext: str) -> None:
    text = clean(wikitext)
    text.encode()
    assert not re.search("[\x00-\x08]", text)
    assert len(text) <= 20 * len(wikitext) + 20
    if not re.search("<(nowiki|math)>|&", wikitext):
        assert "[[" not in text


def test_depth_is_bounded() -> None:
    """Each level copies its text, so a limit on the levels keeps the time linear."""
    assert clean("[[a|" * 60 + "b" + "]]" * 60) == "b"
    assert clean("[[a|" * 70 + "b" + "]]" * 70) == "a|" * 6 + "b"
    assert clean("{{nowrap|" * 60 + "b" + "}}" * 60) == "b"
    assert clean("{{x|" * 5_000 + "b" + "}}" * 5_000 + "c") == "c"


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(
    st.lists(PIECES, min_size=1, max_size=4).map("".join), st.lists(PIECES, max_size=3).map("".join)
)
@example("{{", "}}")
@example("[[a|b", "]]")
@example("{{nowrap|a ", "}}")
@example("<ref>", "")
@example(" ,", "")
@example("\n", "<li>")
def test_a_megabyte_of_nesting_takes_linear_time(opening: str, closing: str) -> None:
    size = 31_250 // (len(opening) + len(closing))
    assert_linear(lambda times: clean(opening * times + closing * times), size, times=32)
    assert_linear(lambda times: clean((opening + closing) * times), size, times=32)


def articles(path: Path) -> list[dict]:
    name = path.name if re.match("[a-z]{2}wiki-", path.name) else f"enwiki-{path.name}"
    language = "ltg" if path.name.startswith("small") else name[:2]
    with path.open("rb") as stream:
        batches = read_wikipedia(
            stream,
            name.replace("enwiki-small", "ltgwiki-small"),
            start=0,
            end=None,
            batch_bytes=1 << 26,
            max_record_bytes=1 << 26,
            languages=[language],
        )
        rows = []
        for batch in batches:
            kept = batch.filter(pc.is_null(batch["dropped_by"]))
            cleaned = clean_wikitext(kept, drop_disambiguation=True, text_templates=TEXT_TEMPLATES)
            for raw, row in zip(kept["text"].to_pylist(), cleaned.to_pylist(), strict=True):
                rows.append(row | {"wikitext": raw})
    return rows


@pytest.fixture(scope="module")
def cleaned(shared_data: Path) -> dict[str, list[dict]]:
    paths = sorted((shared_data / "wikipedia").iterdir())
    return {path.name: articles(path) for path in paths if path.is_file()}


@pytest.mark.slow
def test_no_markup_is_left_in_real_articles(cleaned: dict[str, list[dict]]) -> None:
    chars = 0
    for name, rows in cleaned.items():
        text = "\n".join(row["text"] for row in rows)
        formulas = re.sub(r"\$[^$\n]*\$", "", text)
        residue = sum(formulas.count(mark) for mark in MARKUP)
        assert residue * 10_000 <= len(text), name
        assert sum(text.count(mark) for mark in MARKUP) * 10_000 <= len(text), name
        tags = re.findall(r"</?(?:span|div|br|small|ref|sup|table|gallery)\b", text)
        assert len(tags) * 100_000 <= len(text), name
        assert not re.search(r"(?m)^\s*(?:\|-|\|\}|=+\s*$)", text), name
        chars += len(text)
    assert chars > 10_000_000


_PLAIN_SENTENCE = re.compile(
    r"(?<=[.!?] )[^\W\d_][^\[\]{}<>|&'=\n*#\x00-\x1f\u00a0]{60,}?[.!?](?= )"
)


@pytest.mark.slow
def test_plain_sentences_of_real_articles_stay(cleaned: dict[str, list[dict]]) -> None:
    """Sentences without markup, on lines that begin like prose, are in the text unchanged."""
    total = found = 0
    for rows in cleaned.values():
        for row in rows:
            if row["dropped_by"]:
                continue
            for line in row["wikitext"].split("\n"):
                if not line[:1].isalpha() or "<!--" in line:
                    continue
                line = re.sub(r"<ref\b[^<>]*/>|<ref\b.*?</ref>", "<>", line)
                for sentence in _PLAIN_SENTENCE.findall(line):
                    if "  " in sentence or re.search(r" [,.)]|\( ", sentence):
                        continue
                    total += 1
                    found += sentence in row["text"]
    assert total > 4_000
    assert found >= 0.99 * total


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "excerpts"),
    [
        ("enwiki-20120104-id39.xml", ["Albedo, or reflection coefficient, is the diffuse"]),
        ("bgwiki-minidump", ["е столицата и една от 16-те провинции на Германия."]),
        ("bgwiki-latest", ["е съвременният международно признат светски календар"]),
        ("cawiki", ["La travessen els rius Spree i Havel, al nord-est"]),
        ("cswiki", ["První historicky doložené zmínění Berlína pochází"]),
        ("dewiki", ["in Danzig; † 21. September 1860 in Frankfurt am Main) war ein deutscher"]),
        ("eswiki", ["Por la ciudad fluyen los ríos Spree, Havel, Panke, Dahme y Wuhle."]),
        ("frwiki", ["Antoine Meillet fait ses études secondaires au lycée de Moulins."]),
        ("huwiki", ["Berlin Németország fővárosa, egyben tartományi rangú"]),
        ("itwiki-minidump", ["è la capitale e maggiore città della Germania."]),
        ("plwiki", ["Berlin – stolica, największe miasto Niemiec i zarazem kraj związkowy."]),
        ("ruwiki", ["— столица и крупнейший город Германии, первый по населению", "- Шпрее (в"]),
        ("srwiki", ["је главни град Савезне Републике Немачке"]),
        ("ukwiki", ["— столиця Федеративної Республіки Німеччина"]),
    ],
)
def test_what_readers_of_real_articles_see(
    cleaned: dict[str, list[dict]], name: str, excerpts: list[str]
) -> None:
    (rows,) = (rows for file, rows in cleaned.items() if file.startswith(name))
    for excerpt in excerpts:
        assert any(excerpt in row["text"] for row in rows)


@pytest.mark.slow
def test_real_disambiguation_pages(cleaned: dict[str, list[dict]]) -> None:
    for name in ("cswiki-minidump", "itwiki-small", "enwiki-minidump"):
        (rows,) = (rows for file, rows in cleaned.items() if file.startswith(name))
        dropped = [row for row in rows if row["dropped_by"] == "disambiguation"]
        assert 0 < len(dropped) < max(2, len(rows) / 10)
