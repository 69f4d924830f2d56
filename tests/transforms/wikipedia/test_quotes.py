"""The expected values follow the steps of ``doQuotes`` in MediaWiki's Parser.php, and where the
page itself loses an apostrophe, what its writer meant."""

from __future__ import annotations

import pytest

from tests.support.growth import assert_linear
from transforms.wikipedia.quotes import without_quotes


@pytest.mark.parametrize(
    ("wikitext", "text"),
    [
        ("''a'' '''b''' '''''c'''''", "a b c"),
        ("the ''Beagle'''s crew", "the Beagle's crew"),
        ("the ''Beagle'''s crew and the ''Argo'''s", "the Beagle's crew and the Argo's"),
        ("il canto dell'''Orlando furioso''", "il canto dell'Orlando furioso"),
        ("dell'''Orlando furioso'' e l'''Aminta''", "dell'Orlando furioso e l'Aminta"),
        ("'''Tasso''' è autore dell'''Aminta''", "Tasso è autore dell'Aminta"),
        ("''''a''''", "'a'"),
        ("''''''a''''''''", "'a'''"),
        ("''a '''b'' c'''", "a b c"),
        ("''a '''b''' c''", "a b c"),
        ("'''''a'' b'''", "a b"),
        ("ab '''c''d e'''f g'''h", "ab cd e'f gh"),
        ("ab '''c''d ee'''f gg'''h", "ab cd ee'f ggh"),
        ("a '''b''", "a 'b"),
        ("'''a\n''b", "a\nb"),
        ("l'''a''\nd'''b''", "l'a\nd'b"),
        ("it's ''", "it's "),
        ('a\'b "c"', 'a\'b "c"'),
    ],
)
def test_marks_are_balanced_on_each_line(wikitext: str, text: str) -> None:
    assert without_quotes(wikitext) == text


def test_a_line_of_quotes_takes_linear_time() -> None:
    assert_linear(lambda n: without_quotes("''a'''b " * n + "'" * 5 * n), 25_000)
