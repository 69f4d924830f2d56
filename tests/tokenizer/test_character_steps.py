"""Hugging Face's normaliser made of SentencePiece's character maps, compared with SentencePiece."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from unicodedata import combining, normalize

import pytest
from sentencepiece import SentencePieceProcessor
from tokenizers import Tokenizer, models

from tests.support.sentencepiece_models import texts, trained
from tokenizer.character_map import map_rules
from tokenizer.character_steps import character_steps
from tokenizer.model_file import parse_model

BARE = {"remove_extra_whitespaces": False, "add_dummy_prefix": False}

RULES = {
    "one at a time": {"\x10": "\x10\x10", "▅": "\x10_"},
    "an exchange": {"a": "b", "b": "a", "c": ""},
    "overlaps": {"ab": "x", "bc": "y", "c": "cc", "abcd": "q", "x": "ab"},
    "chains": {"ab": "b", "b": "c", "aa": "ab"},
    "many": {chr(0x4E00 + i): chr(0x5E00 + i) for i in range(300)},
}


def normaliser(charsmap: bytes) -> Callable[[str], str]:
    content = json.loads(Tokenizer(models.BPE()).to_str())
    content["normalizer"] = {"type": "Sequence", "normalizers": character_steps(charsmap)}
    loaded = Tokenizer.from_str(json.dumps(content)).normalizer
    return loaded.normalize_str


def check(model: bytes, more: list[str], seed: int = 0) -> None:
    """Compare texts, and random texts of the rules' own characters."""
    charsmap = parse_model(model).charsmap
    ours, processor = normaliser(charsmap), SentencePieceProcessor(model_proto=model)
    draw = random.Random(seed)
    sources = list(map_rules(charsmap))
    later = sorted({character for source in sources for character in source[1:]})
    firsts = sorted({source[0] for source in sources})
    marks = [chr(code) for code in range(0x20000) if combining(chr(code))]
    alphabet = [*"abcx \n\r\t" * 20, *later * 8, *firsts, *marks]
    compared = [*more, *draw.sample(sources, min(3_000, len(sources)))]
    compared += ["".join(draw.choices(sources, k=3)) for _ in range(2_000)]
    compared += ["".join(draw.choices(alphabet, k=draw.randint(1, 8))) for _ in range(3_000)]
    compared += [
        "".join(chr(draw.randrange(0xD800) + draw.choice([0, 0xE000])) for _ in range(8))
        for _ in range(2_000)
    ]
    for text in compared:
        assert ours(text).replace("▁", " ") == processor.normalize(text).replace("▁", " "), text


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["nmt_nfkc", "nfkc", "nmt_nfkc_cf"])
def test_sentencepieces_own_maps(rule: str) -> None:
    model = trained(normalization_rule_name=rule, **BARE)
    decomposed = [normalize("NFD", text) for text in texts()]
    check(
        model, [*texts(), *decomposed, "Ａ\u0301 ｶﾞ \r\n q\u0307\u0323 İ I\u0307 \u1112\u1161\u11ab"]
    )


@pytest.mark.parametrize("rules", RULES.values(), ids=list(RULES))
def test_rules_of_the_users(rules: dict[str, str], tmp_path: Path) -> None:
    def codes(text: str) -> str:
        return " ".join(f"{ord(character):X}" for character in text)

    path = tmp_path / "rules.tsv"
    path.write_text("".join(f"{codes(a)}\t{codes(b)}\n" for a, b in rules.items()))
    model = trained(normalization_rule_tsv=str(path), **BARE)
    assert map_rules(parse_model(model).charsmap) == rules
    check(model, [*texts(), "abc abcd aab ba \x10_\x10"])


def test_no_map_takes_no_step() -> None:
    assert character_steps(b"") == []
