"""Words of languages without white space between them: rules and shingles by segmented texts."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from pipeline.errors import RecipeError
from pipeline.recipe.from_yaml import load_recipe
from tests.support.plain.near import batch_of
from tests.support.runs import ROOT
from transforms.dedup.near import DeduplicateNear
from transforms.dedup.shingles import distinct_shingles
from transforms.documents import with_column
from transforms.segmentation import MAX_PIECE_CHARS, SEGMENTERS, check_words, segmented
from transforms.web.fineweb_rules import measure_lines
from transforms.web.gopher_quality import measure_quality
from transforms.web.gopher_repetition import measure_repetition

SENTENCES = {
    "chinese": ("我来到北京清华大学。", "我 来到 北京 清华大学 。"),
    "japanese": ("東京都に行きました。", "東京 都 に 行き まし た 。"),
    "thai": ("ฉันรักภาษาไทยเพราะฉันเป็นคนไทย", "ฉัน รัก ภาษาไทย เพราะ ฉัน เป็น คนไทย"),
}


def column(*texts: str) -> pa.StringArray:
    return pa.array(texts, pa.string())


@pytest.mark.parametrize("language", SEGMENTERS)
def test_spaces_come_between_words_and_nothing_else_changes(language):
    sentence, words = SENTENCES[language]
    assert segmented(column(sentence), language).to_pylist() == [words]
    long = sentence * (MAX_PIECE_CHARS // len(sentence) + 2)
    page = f"{sentence}……\n\n  {sentence} ABC, 3.5... \n{long}"
    (made,) = segmented(column(page), language).to_pylist()
    assert made.replace(" ", "") == page.replace(" ", "")
    assert made.startswith(f"{words.split(' ')[0]} ")
    assert made.count("\n") == 3 and "..." in made and "……" in made
    assert segmented(column(""), language).to_pylist() == [""]


@pytest.mark.parametrize("language", SEGMENTERS)
def test_rules_count_the_words_that_are_found(language):
    sentence, words = SENTENCES[language]
    page = "\n".join([sentence * 3, sentence, "", sentence])
    spaced = "\n".join([" ".join([words] * 3), words, "", words])
    apart = {"words": "punctuation_apart"}
    n_words = 5 * len(words.rstrip("。").split())
    quality = {"stop_words": [words.split(" ")[1]], "min_stop_words": 1}
    found = measure_quality(column(page), words=language, **quality)
    assert found == measure_quality(column(spaced), **apart, **quality)
    assert found.counted_words.tolist() == [n_words] and found.stop_words.tolist() == [1]
    lines = {"line_end_marks": ["。"], "short_line_chars": len(sentence)}
    found_lines = measure_lines(column(page), words=language, **lines)
    as_it_is = measure_lines(column(page), **apart, **lines)
    counted = measure_lines(column(spaced), **apart, **lines).words
    assert found_lines == as_it_is._replace(words=counted) and found_lines.short_lines.tolist() == [
        2
    ]
    sizes = {"top_n_grams": [2], "duplicate_n_grams": [3]}
    repeated = measure_repetition(column(page), words=language, **sizes)
    in_words = measure_repetition(column(spaced), **apart, **sizes)
    assert repeated.lines == measure_repetition(column(page), **apart, **sizes).lines
    assert repeated.top_n_gram_chars == in_words.top_n_gram_chars
    assert repeated.duplicate_n_gram_chars == in_words.duplicate_n_gram_chars


def test_shingles_are_of_words_in_the_languages_that_have_a_segmenter():
    sentence, words = SENTENCES["chinese"]
    english = "the end of a long evening by the harbour"
    batch = batch_of([english, sentence, sentence, english])
    batch = with_column(batch, "language", pa.array(["en", "zh", None, "zh"], pa.string()))
    parameters = {"bands": 2, "rows": 2, "prefer": "first", "max_neighbours": 8, "max_partners": 4}
    step = DeduplicateNear(
        min_overlap=0.5, shingle_words=2, **parameters, segmenters={"zh": "chinese"}
    )
    hashes, offsets = step.shingles(batch)
    found = [hashes[a:b].tolist() for a, b in pairwise(offsets)]
    as_it_is = distinct_shingles(column(english, sentence), shingle_words=2)
    of_words = distinct_shingles(column(words), shingle_words=2, are_segmented=True)
    plain, characters = np.split(as_it_is.hashes, as_it_is.offsets[1:-1])
    expected = [plain, of_words.hashes, characters, plain]
    assert found == [one.tolist() for one in expected]
    assert len(of_words.hashes) == 3 and len(characters) == 8
    shared = {"shingle_words": 2, "bands": 2, "rows": 2}
    assert DeduplicateNear.made_with(**shared) != DeduplicateNear.made_with(
        **shared, segmenters={"zh": "chinese"}
    )


@pytest.mark.slow
def test_thai_is_cut_without_a_home(tmp_path):
    code = (
        "import pyarrow as pa; from transforms.segmentation import segmented; "
        f"print(*segmented(pa.array(['{SENTENCES['thai'][0]}']), 'thai').to_pylist())"
    )
    (tmp_path / "file").write_text("")
    environment = {**os.environ, "HOME": f"{tmp_path}/file", "PYTHONIOENCODING": "utf-8"}
    made = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert made.stdout.strip() == SENTENCES["thai"][1], made.stderr


def test_what_is_missing_is_told_with_what_installs_it(monkeypatch):
    find = importlib.util.find_spec

    def without(missing: str):
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name, *more: None if name == missing else find(name)
        )

    recipe = str(ROOT / "recipes" / "fineweb2.yaml")
    settings = ["data=samples/data", "models=samples/models", "lid=samples/models/lid.176.ftz"]
    for missing, language in (("rjieba", "chinese"), ("pythainlp", "thai")):
        without(missing)
        with pytest.raises(
            RecipeError, match=rf"{missing}, which .* {language}, is not .*pip"
        ) as e:
            load_recipe(recipe, settings)
        assert "\n" not in str(e.value) and "[segmentation]" in str(e.value)
        with pytest.raises(ValueError, match=r"segmenters\.zh: .*pip install"):
            without("rjieba")
            DeduplicateNear.check(shingle_words=2, bands=2, rows=2, segmenters={"zh": "chinese"})
    with pytest.raises(ValueError, match="words: 'spaces' is none of white_space"):
        check_words("spaces")
