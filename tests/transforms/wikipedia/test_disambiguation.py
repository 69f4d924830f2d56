from __future__ import annotations

import pytest

from transforms.wikipedia.disambiguation import TITLES, is_disambiguation
from transforms.wikipedia.names import FILE_NAMES


@pytest.mark.parametrize(
    ("language", "name"),
    [
        ("en", "Airport disambiguation"),
        ("en", "species Latin name disambiguation"),
        ("en", "Disambiguation cleanup"),
        ("fr", "Homonymie de clubs sportifs"),
        ("fr", "Films homonymes"),
        ("cs", "Rozcestník - lodě"),
        ("sv", "Trebokstavsförgrening"),
        ("pt", "Desambig-música"),
        ("ru", "Список однофамильцев"),
        ("sr", "Вишезначна_одредница"),
        ("da", "Flertydigt stednavn"),
        ("uk", "Неоднозначність географія"),
    ],
)
def test_names_of_templates_follow_patterns(language: str, name: str) -> None:
    assert is_disambiguation(f"a may be\n{{{{{name}}}}}", None, language)
    assert not is_disambiguation(f"a may be\n{{{{{name} x1?|y}}}}", None, language)


@pytest.mark.parametrize(
    ("language", "wikitext"),
    [
        ("en", "a{{disambiguation needed|date=May 2020}}"),
        ("en", "{{for disambiguation|x}} a"),
        ("en", "{{redirect|x|y|x (disambiguation)}} a"),
        ("de", "{{Begriffsklärungshinweis}} a"),
        ("fr", "{{Voir homonymes|A (homonymie)}} a"),
        ("pt", "{{ver desambig}} a"),
        ("hu", "{{egyért2|x}} a"),
        ("pl", "{{inne znaczenia}} a"),
        ("ru", "{{значения}} a"),
        ("es", "{{otros usos}} a"),
        ("en", "{{homonymie}} a"),
    ],
)
def test_notes_about_other_pages_make_no_disambiguation_page(language: str, wikitext: str) -> None:
    assert not is_disambiguation(wikitext, "A (film)", language)


@pytest.mark.parametrize("language", sorted(FILE_NAMES))
def test_titles(language: str) -> None:
    assert is_disambiguation("a", f"A ({TITLES[language]})", language)
    assert not is_disambiguation("a", TITLES[language], language)
    assert is_disambiguation("a __DISAMBIG__", None, language)
