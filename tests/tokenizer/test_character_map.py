"""Rules read from compiled character maps."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.sentencepiece_models import PLAIN, texts, trained
from tokenizer.character_map import map_rules, reverses_escapes
from tokenizer.model_file import denormaliser_map, parse_model
from tokenizer.train import ESCAPES, train_tokenizer


def test_the_rules_are_those_that_were_compiled(tmp_path: Path) -> None:
    path = tmp_path / "rules.tsv"
    path.write_text("61 62\t78\n61\t\n1F600\t3A 29\n61 62 63\t78\n")
    charsmap = parse_model(trained(normalization_rule_tsv=str(path))).charsmap
    assert map_rules(charsmap) == {"ab": "x", "a": "", "\U0001f600": ":)", "abc": "x"}
    assert map_rules(b"") == {}


@pytest.mark.slow
def test_the_rules_of_a_normal_form() -> None:
    rules = map_rules(parse_model(trained()).charsmap)
    assert len(rules) > 200_000
    assert (rules["\ufb01"], rules["e\u0301"], rules["\u0001"]) == ("fi", "\u00e9", "")


def test_escapes_are_known_by_the_denormaliser() -> None:
    own = train_tokenizer(texts(), 2_000)
    assert map_rules(denormaliser_map(own)) == {escape: text for text, escape in ESCAPES.items()}
    assert reverses_escapes(denormaliser_map(own))
    for model in (trained(**PLAIN), trained()):
        assert denormaliser_map(model) == b""
        assert not reverses_escapes(denormaliser_map(model))
        assert not reverses_escapes(parse_model(model).charsmap)


@pytest.mark.parametrize("charsmap", [b"\x05\0\0\0abcdef", b"\0\0\0\0a\0", b"\x04\0\0\0abcdef"])
def test_damaged_maps(charsmap: bytes) -> None:
    with pytest.raises(ValueError, match="damaged character map"):
        map_rules(charsmap)
