"""Checks of recipes before any work, with errors that say what to do."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from pipeline.errors import RecipeError
from pipeline.recipe.from_yaml import load_recipe
from pipeline.recipe.recipe import recipe_from_mapping
from tests.support.edited_recipes import DEMO, edited, refused
from tests.support.plain import gopher as plain_gopher
from tests.support.runs import ROOT


def test_demo_loads_and_survives_its_own_mapping():
    recipe = load_recipe(DEMO)
    assert [s.name for s in recipe.sources] == [
        "commoncrawl", "commoncrawl_warc", "c4", "github", "wikipedia", "books", "arxiv",
        "stackexchange",
    ]  # fmt: skip
    assert recipe_from_mapping(recipe.mapping) == recipe


def test_misspelt_keys_get_the_nearest_right_one(tmp_path):
    def step(raw):
        raw["sources"]["commoncrawl"]["steps"][0] = {"drop_short": {"min_char": 300}}

    refused(tmp_path, step, "sources.commoncrawl.steps[0].drop_short", "did you mean 'min_chars'")

    def top(raw):
        raw["tokeniser"] = raw.pop("tokenizer")

    refused(tmp_path, top, "'tokeniser'", "did you mean 'tokenizer'")

    def name(raw):
        raw["sources"]["c4"]["steps"] = [{"deduplicate_document": {"keep": "first"}}]

    refused(tmp_path, name, "did you mean 'deduplicate_documents'")

    def reader(raw):
        raw["sources"]["commoncrawl"]["reader"] = "wett"

    refused(tmp_path, reader, "did you mean 'wet'")


def test_missing_key_wrong_type_wrong_choice(tmp_path):
    refused(tmp_path, lambda raw: raw.pop("token_budget"), "'token_budget' is missing")
    refused(tmp_path, lambda raw: raw.update(token_budget="many"), "token_budget", "'many'")
    refused(
        tmp_path,
        lambda raw: raw["sources"]["c4"].update(
            steps=[{"deduplicate_documents": {"keep": "last"}}]
        ),
        "expected one of none, first",
    )
    refused(
        tmp_path, lambda raw: raw["shards"].update(validation_fraction=1.5), "validation_fraction"
    )


def quality(**changes):
    return {"filter_gopher_quality": {**plain_gopher.QUALITY, **changes}}


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ({"drop_short": {"min_chars": -1}}, "drop_short.min_chars: expected 0 or more, found -1"),
        (quality(max_words=0), "max_words: expected a number above 0, found 0"),
        (quality(min_words=10, max_words=9), "min_words: 10 is over max_words, 9"),
        (quality(min_mean_word_chars=11), "min_mean_word_chars: 11.0 is over max_mean_word_chars"),
        (quality(max_bullet_line_fraction=1.5), "max_bullet_line_fraction: expected a number from"),
        (quality(max_symbols_per_word=float("nan")), "max_symbols_per_word: expected a number,"),
        (
            {"filter_gopher_repetition": {
                **plain_gopher.REPETITION, "max_top_n_gram_char_fraction": {2: -0.2}}},
            "max_top_n_gram_char_fraction: expected a number from 0 to 1",
        ),
        (
            {"bucket_by_perplexity": {"cutoffs": {"en": [1.0, float("nan")]}, "keep": []}},
            "cutoffs: expected a number, found",
        ),
        (
            {"tests.support.runs.slow": {"seconds": float("nan")}},
            "slow.seconds: expected a number, found",
        ),
        ({"deduplicate_lines": {"keep": "none", "window_files": 0}}, "window_files: expected a"),
    ],
)  # fmt: skip
def test_numbers_that_cannot_be_are_refused_with_their_key(tmp_path, step, expected):
    place = f"sources.c4.steps[0].{next(iter(step))}"
    refused(tmp_path, lambda raw: raw["sources"]["c4"].update(steps=[step]), place, expected)


def test_numbers_that_may_be_negative_or_none_are_taken(tmp_path):
    steps = [
        {"identify_language": {"model": "${models}/lid.176.ftz", "languages": ["en"],
                               "min_score": 0.0}},
        {"bucket_by_score": {"score": "language_score", "cutoffs": [-1.0, 0.5]}},
        {"apply_c4_rules": {
            "max_page_chars": None, "max_word_chars": None, "strip_citations": False,
            "line_end_marks": [], "refused_line_ends": [], "min_line_words": 0,
            "drop_lorem_ipsum": False, "drop_javascript_lines": False,
            "drop_curly_brackets": False, "policy_phrases": [], "bad_words": None,
            "min_sentences": None}},
    ]  # fmt: skip
    path = edited(tmp_path, lambda raw: raw["sources"]["c4"].update(steps=steps))
    assert len(load_recipe(path).source("c4").steps) == 3


def test_sizes_of_the_recipe_itself_are_checked(tmp_path):
    refused(tmp_path, lambda raw: raw.update(token_budget=0), "token_budget", "above 0")
    refused(tmp_path, lambda raw: raw["reading"].update(batch_bytes=0), "reading.batch_bytes")
    refused(tmp_path, lambda raw: raw["shards"].update(validation_fraction=1), "nothing to train")
    for value in (0, float("nan")):
        refused(
            tmp_path,
            lambda raw, value=value: raw["sources"]["c4"].update(
                expected_tokens_per_input_byte=value
            ),
            "sources.c4.expected_tokens_per_input_byte: expected a number",
        )


def test_proportions_must_add_up(tmp_path):
    refused(tmp_path, lambda raw: raw["sources"]["c4"].update(proportion=0.5), "add up to 1.35")


def test_a_key_given_twice_is_refused(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(Path(DEMO).read_text() + "\ntoken_budget: 5\n")
    with pytest.raises(RecipeError, match=r"token_budget.* twice"):
        load_recipe(str(path))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "value"),
    [("1.4e12", 1_400_000_000_000), ("1e6", 10**6), ("1E+6", 10**6), ("2.5e-0", None), ("7", 7),
     ("1_000", 1000), ("1e6x", None), ("e6", None), ("'1e6'", None)],
)  # fmt: skip
def test_numbers_are_those_of_yaml_1_2(tmp_path, text, value):
    path = tmp_path / "recipe.yaml"
    raw = Path(DEMO).read_text().replace("${recipe_dir}", str(Path(DEMO).parent))
    path.write_text(re.sub(r"(?m)^token_budget:.*$", f"token_budget: {text}", raw))
    for given in ([str(path)], [DEMO, [f"token_budget={text}"]]):
        if value is None:
            with pytest.raises(RecipeError, match="token_budget: expected integer"):
                load_recipe(*given)
        else:
            assert load_recipe(*given).token_budget == value


def test_settings_fill_variables_and_override_values():
    recipe = load_recipe(
        DEMO,
        [
            "sources.commoncrawl.steps.drop_short.min_chars=12",
            "sources.c4.proportion=0.10",
            "sources.commoncrawl.proportion=0.55",
            "token_budget=77",
            "sources.commoncrawl.steps.bucket_by_perplexity.keep=[head]",
        ],
    )
    steps = {step.name: step.parameters for step in recipe.sources[0].steps}
    assert steps["drop_short"] == {"min_chars": 12}
    assert steps["bucket_by_perplexity"]["keep"] == ["head"]
    assert recipe.token_budget == 77
    assert recipe.source("c4").proportion == 0.1
    # The two web sources share their steps by an anchor in the file, but not in the loaded recipe.
    assert recipe.sources[1].steps[0].parameters == {"min_chars": 300}


def test_names_with_dots_and_keys_with_defaults_can_be_set(tmp_path):
    def own_step(raw):
        raw["sources"]["c4"]["steps"].append({"tests.support.runs.slow": {"seconds": 1.0}})
        del raw["opt_out"]

    path = edited(tmp_path, own_step)
    listed = tmp_path / "listed.txt"
    listed.write_text("example.org\n")
    settings = ["sources.c4.steps.tests.support.runs.slow.seconds=0.5", f"opt_out={listed}"]
    recipe = load_recipe(path, settings)
    assert recipe.source("c4").steps[-1].parameters == {"seconds": 0.5}
    assert recipe.opt_out == str(listed)


def test_a_text_where_a_list_is_meant_is_told_how_to_be_one(tmp_path):
    def change(raw):
        raw["sources"]["c4"]["input"] = "mine/*.jsonl"

    refused(tmp_path, change, "expected list of text", "write [mine/*.jsonl]")


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("dat=x", "did you mean 'data'"),
        ("sources.c5.proportion=1", "did you mean 'c4'"),
        ("sources.commoncrawl.steps.drop_shrt.min_chars=1", "did you mean 'drop_short'"),
        ("token_budget", "NAME=VALUE"),
        ("token_budget=[", "the value: not YAML"),
    ],
)
def test_wrong_settings_are_refused(setting, expected):
    with pytest.raises(RecipeError, match=expected.replace("[", "\\[")):
        load_recipe(DEMO, [setting])


def test_unset_variables_are_named():
    with pytest.raises(RecipeError, match="give --set models=VALUE"):
        load_recipe(str(ROOT / "recipes" / "samples.yaml"))


def test_some_sources_share_the_whole_mixture():
    recipe = load_recipe(DEMO, sources=["commoncrawl", "c4"])
    assert [round(s.proportion, 6) for s in recipe.sources] == [0.769231, 0.230769]
    with pytest.raises(RecipeError, match="did you mean 'c4'"):
        load_recipe(DEMO, sources=["c44"])


def test_a_step_of_the_users_own(tmp_path, monkeypatch):
    (tmp_path / "own_filters.py").write_text(
        "from transforms.documents import drop\n"
        "def no_prefix(batch, *, prefix: str):\n"
        "    return batch\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))

    def change(raw):
        raw["sources"]["c4"]["steps"] = [{"own_filters.no_prefix": {"prefix": "x"}}]

    recipe = load_recipe(edited(tmp_path, change))
    assert recipe.source("c4").steps[0].parameters == {"prefix": "x"}
    refused(
        tmp_path,
        lambda raw: raw["sources"]["c4"].update(steps=["own_filters.no_suffix"]),
        "cannot import",
    )


def test_a_reader_of_the_users_own(tmp_path, monkeypatch):
    (tmp_path / "own_readers.py").write_text(
        "from pipeline.readers import Reader\n"
        "def read(stream, name, *, start, end, batch_bytes, max_record_bytes, mark: str):\n"
        "    yield from ()\n"
        "READER = Reader(read, frozenset())\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))

    def reader(entry):
        return lambda raw: raw["sources"]["c4"].update(reader=entry)

    recipe = load_recipe(edited(tmp_path, reader({"own_readers.READER": {"mark": "%"}})))
    source = recipe.source("c4")
    assert source.reader.read.__name__ == "read" and source.reader_parameters == {"mark": "%"}
    refused(tmp_path, reader({"own_readers.READER": {"marks": "%"}}), "did you mean 'mark'")
    refused(tmp_path, reader("own_readers.read"), "is no Reader")
    refused(tmp_path, reader("own_readers.OTHER"), "cannot import the reader")
    refused(tmp_path, reader("json_line"), "did you mean 'json_lines'")


def test_the_papers_mixture_adds_up(tmp_path):
    raw = yaml.safe_load((ROOT / "recipes" / "llama.yaml").read_text())
    shares = {name: source["proportion"] for name, source in raw["sources"].items()}
    assert shares == {
        "commoncrawl": 0.67, "c4": 0.15, "github": 0.045, "wikipedia": 0.045, "books": 0.045,
        "arxiv": 0.025, "stackexchange": 0.02,
    }  # fmt: skip
    assert abs(sum(shares.values()) - 1) < 1e-9
    settings = [f"data={tmp_path}", f"models={tmp_path}"]
    path = str(ROOT / "recipes" / "llama.yaml")
    recipe = load_recipe(path, settings, check_files=False)
    assert [source.name for source in recipe.sources] == list(shares)
    some = load_recipe(path, settings, ["commoncrawl", "c4"], check_files=False)
    assert len(some.sources) == 2


def gopher(raw, **changes):
    steps = [{"filter_gopher_repetition": {**plain_gopher.REPETITION, **changes}}]
    raw["sources"]["c4"]["steps"] = steps


@pytest.mark.slow
def test_numbers_as_keys_survive_json_and_can_be_set(tmp_path):
    path = edited(tmp_path, gopher)
    recipe = load_recipe(path)
    assert recipe.source("c4").steps[0].parameters == plain_gopher.REPETITION
    assert recipe_from_mapping(json.loads(json.dumps(recipe.mapping))) == recipe
    name = "sources.c4.steps.filter_gopher_repetition.max_top_n_gram_char_fraction.3"
    changed = load_recipe(path, [f"{name}=0.5"]).source("c4").steps[0].parameters
    assert changed["max_top_n_gram_char_fraction"] == {2: 0.2, 3: 0.5, 4: 0.16}
    unknown = "expected integer, found 'two'"
    refused(tmp_path, lambda raw: gopher(raw, max_top_n_gram_char_fraction={"two": 1}), unknown)


def test_a_steps_own_check_is_made_before_work_starts(tmp_path):
    refused(
        tmp_path,
        lambda raw: gopher(raw, max_duplicate_n_gram_char_fraction={0: 0.1}),
        "sources.c4.steps.filter_gopher_repetition: an n-gram has at least 1 word, found a limit",
    )
