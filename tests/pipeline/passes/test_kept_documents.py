"""Documents that are kept between the passes: later passes see what the first one saw."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.output import whole_files
from pipeline.output.layout import Split, kept_name, plan_bytes
from pipeline.output.ledger import Tally
from pipeline.passes import kept_documents, process
from pipeline.passes.kept_documents import is_kept, times_when_kept
from pipeline.passes.plan import make_plan
from pipeline.passes.process import StepError, documents_ahead, process_split, splits_of
from pipeline.recipe.from_yaml import load_recipe
from pipeline.recipe.recipe import Recipe
from tests.support.runs import ROOT
from transforms.documents import SCHEMA, same_memory, with_column

DEAR = ["commoncrawl_warc", "wikipedia", "books", "arxiv"]


def shorten(batch: pa.RecordBatch, *, chars: int) -> pa.RecordBatch:
    """A user's step, which changes texts."""
    return with_column(batch, "text", pa.compute.utf8_slice_codeunits(batch["text"], 0, chars))


def recipe_of(source: str, *settings: str) -> Recipe:
    return load_recipe(str(ROOT / "recipes" / "demo.yaml"), settings, [source])


def ahead(recipe: Recipe) -> int:
    """Return how many steps stand ahead of the first deduplication."""
    return min([*recipe.sources[0].shuffle_positions, len(recipe.sources[0].steps)])


def passed(split: Split, recipe: Recipe, output: Path, **more: Any) -> tuple[list[Any], ...]:
    """Return all that a pass sees of a split: batches, what an observer is told, the counts."""
    tally, seen = Tally(), []

    def observe(step: str, before: pa.RecordBatch, after: pa.RecordBatch) -> None:
        assert before.schema.equals(SCHEMA) and after.schema.equals(SCHEMA)
        seen.append(
            (step, before, after, [same_memory(after[n], before[n]) for n in ("text", "id")])
        )

    options = {"until": ahead(recipe), "observer": observe, **more}
    batches = list(process_split(split, recipe, str(output), tally, **options))
    return batches, seen, tally.rows()


def files(output: Path) -> set[str]:
    """Return the names of all files of a run that are no folders."""
    return {p.relative_to(output).as_posix() for p in output.rglob("*") if p.is_file()}


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    """A folder with a file of three documents."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a.json").write_text("".join(f'{{"text": "text {i}"}}\n' for i in range(3)))
    return folder


def recipe_over(folder: Path, *steps: str) -> Recipe:
    """Return the recipe of a source that reads a document a batch, with steps of this module."""
    return recipe_of("c4", f"sources.c4.input=[{folder}/*]", "reading.batch_bytes=1",
                     f"sources.c4.steps=[{', '.join(steps)}]")  # fmt: skip


SHORTEN = f"{__name__}.shorten: {{chars: 3}}"


@pytest.mark.parametrize("source", DEAR)
def test_a_later_pass_sees_of_real_documents_what_the_first_one_saw(source, tmp_path):
    recipe = recipe_of(source)
    n_batches = 0
    for split in make_plan(recipe).splits:
        anew = passed(split, recipe, tmp_path)
        assert anew == passed(split, recipe, tmp_path, keeps=True)
        assert kept_name(split) in files(tmp_path)
        assert anew == passed(split, recipe, tmp_path)
        n_batches += len(anew[0])
    assert n_batches


@pytest.mark.parametrize("source", DEAR)
def test_neither_reader_nor_first_steps_run_again(source, tmp_path, monkeypatch):
    recipe = recipe_of(source)
    splits = make_plan(recipe).splits
    first = [passed(split, recipe, tmp_path, keeps=True) for split in splits]
    for name in ("_read", "applied"):
        monkeypatch.setattr(process, name, lambda *_: pytest.fail("it ran again"))
    assert first == [passed(split, recipe, tmp_path) for split in splits]


def test_first_passes_keep_what_is_dear_to_read(tmp_path):
    for source, name in [("wikipedia", "auto"), ("c4", "auto"), ("wikipedia", "never")]:
        recipe = recipe_of(source, f"reading.keep_documents={name}")
        split = make_plan(recipe).splits[0]
        output = tmp_path / f"{source}-{name}"
        list(documents_ahead(split, recipe, str(output), ahead(recipe)))
        assert output.exists() == ((source, name) == ("wikipedia", "auto"))


@pytest.mark.slow
def test_which_sources_are_kept():
    def kept(source: str, choice: str, *, is_last: bool) -> bool:
        recipe = recipe_of(source, f"reading.keep_documents={choice}")
        return is_kept(recipe.sources[0], recipe.reading, is_last=is_last)

    for source in [*DEAR, "c4", "commoncrawl", "stackexchange"]:
        assert kept(source, "auto", is_last=False) == (source in DEAR)
        assert not kept(source, "auto", is_last=True)
        for is_last in (False, True):
            assert kept(source, "always", is_last=is_last) == (source != "stackexchange")
            assert not kept(source, "never", is_last=is_last)


def test_a_file_is_not_there_before_its_last_batch(lines, tmp_path):
    recipe = recipe_over(lines)
    (split,) = make_plan(recipe).splits
    output = tmp_path / "out"
    batches = process_split(split, recipe, str(output), Tally(), keeps=True)
    next(batches)
    assert [name.startswith("work/tmp/") for name in files(output)] == [True]
    batches.close()
    assert not files(output)


def test_a_step_that_raises_leaves_no_file(lines, tmp_path):
    (lines / "b.json").write_text('{"text": "one"}\n{"text": "bad"}\n')
    recipe = recipe_over(lines, "tests.pipeline.passes.test_process.raise_at_bad")
    output = tmp_path / "out"
    whole, broken = make_plan(recipe).splits
    with pytest.raises(StepError) as caught:
        passed(broken, recipe, output, keeps=True)
    assert not files(output), f"while the traceback of {caught.value} is held"
    passed(whole, recipe, output, keeps=True)
    assert files(output) == {kept_name(whole)}


KILLED = """
import os, signal, sys
from pipeline.output.ledger import Tally
from pipeline.passes.plan import make_plan
from pipeline.passes.process import process_split
from tests.pipeline.passes.test_kept_documents import recipe_over
recipe = recipe_over(sys.argv[1])
(split,) = make_plan(recipe).splits
for _ in process_split(split, recipe, sys.argv[2], Tally(), keeps=True):
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_what_a_killed_writer_leaves_is_never_read(lines, tmp_path):
    output = tmp_path / "out"
    texts = [secrets.token_hex(50_000) for _ in range(3)]  # more than a file's buffer
    (lines / "a.json").write_text("".join(f'{{"text": "{text}"}}\n' for text in texts))
    command = [sys.executable, "-c", KILLED, str(lines), str(output)]
    status = subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert status.returncode == -signal.SIGKILL
    (half,) = files(output)
    assert half.startswith("work/tmp/") and (output / half).stat().st_size
    recipe = recipe_over(lines)
    (split,) = make_plan(recipe).splits
    with whole_files.attempt(str(output)):
        assert half not in files(output)
        assert len(passed(split, recipe, output, keeps=True)[0]) == 3
    assert files(output) == {kept_name(split)}


def test_steps_that_are_not_those_of_the_file_are_run(lines, tmp_path):
    recipe = recipe_over(lines, SHORTEN, "drop_short: {min_chars: 1}")
    (split,) = make_plan(recipe).splits
    passed(split, recipe, tmp_path, keeps=True)
    for steps, text in [
        (["drop_short: {min_chars: 1}"], "text 0"),
        ([SHORTEN.replace("3", "2")], "te"),
        ([SHORTEN, SHORTEN.replace("3", "1")], "t"),
        ([SHORTEN], "tex"),
    ]:
        other = recipe_over(lines, *steps)
        (split,) = make_plan(other).splits
        batches, seen, _ = passed(split, other, tmp_path)
        assert batches[0]["text"][0].as_py() == text
        assert len(seen) == 3 * (1 + len(steps))


def test_batches_of_which_all_is_dropped_come_back(lines, tmp_path):
    recipe = recipe_over(lines, "drop_short: {min_chars: 100}", SHORTEN)
    (split,) = make_plan(recipe).splits
    first = passed(split, recipe, tmp_path, keeps=True)
    assert first == passed(split, recipe, tmp_path) and len(first[1]) == 6
    (lines / "a.json").write_text("")
    (split,) = make_plan(recipe).splits
    first = passed(split, recipe, tmp_path / "empty", keeps=True)
    assert first == passed(split, recipe, tmp_path / "empty")
    assert [(row["outcome"], row["documents"]) for row in first[2]] == [("in", 0)]


def test_columns_that_a_step_leaves_are_not_written_twice(lines, tmp_path):
    recipe = recipe_over(lines, "drop_short: {min_chars: 1}", SHORTEN, "drop_short: {min_chars: 9}")
    (split,) = make_plan(recipe).splits
    passed(split, recipe, tmp_path, keeps=True)
    with kept_documents._opened(str(tmp_path), split) as (_, index):
        assert index.batches[:4] == [
            [-1, SCHEMA.names],
            [0, []],
            [1, ["text"]],
            [2, ["dropped_by"]],
        ]


def test_a_damaged_file_is_told_by_its_name(lines, tmp_path):
    recipe = recipe_over(lines)
    (split,) = make_plan(recipe).splits
    passed(split, recipe, tmp_path, keeps=True)
    path = tmp_path / kept_name(split)
    whole = path.read_bytes()
    middle = whole.index(b"\x28\xb5\x2f\xfd")  # where a column compressed with zstd begins
    for damaged in (b"", whole[:-20], whole[:middle] + b"\0\0\0\0" + whole[middle + 4 :]):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=f"^{kept_name(split)}: damaged documents: .*remove"):
            passed(split, recipe, tmp_path)


def test_times_are_those_of_the_reader_and_the_steps(lines, tmp_path):
    slow = "tests.support.runs.slow: {seconds: 0.05}"
    recipe = recipe_over(lines, slow)
    (split,) = make_plan(recipe).splits
    assert times_when_kept(str(tmp_path), split) == []
    passed(split, recipe, tmp_path, keeps=True)
    read, step = times_when_kept(str(tmp_path), split)
    assert (read["step"], step["step"]) == ("read", slow.split(":")[0])
    assert 0 < read["elapsed_seconds"] < 3 * 0.05 <= step["elapsed_seconds"] < 1


def test_documents_are_found_where_the_input_is_gone(lines, tmp_path):
    recipe = recipe_over(lines)
    plan = make_plan(recipe)
    (split,) = plan.splits
    output = tmp_path / "out"
    first = passed(split, recipe, output, keeps=True)
    (output / "plan.jsonl").write_bytes(plan_bytes(plan.splits))
    (lines / "a.json").unlink()
    (found,) = splits_of(str(output), "c4", ["c4/a.json#0"])
    assert passed(found, recipe, output) == first
    (output / kept_name(split)).unlink()
    with pytest.raises(ValueError, match="not there any more"):
        list(splits_of(str(output), "c4", ["c4/a.json#0"]))


def test_the_choice_is_one_of_three_and_a_recipe_need_not_have_it():
    assert recipe_of("c4").reading.keep_documents == "auto"
    recipe = recipe_of("c4", "reading.keep_documents=always")
    assert recipe.reading.keep_documents == "always"
    assert recipe.mapping_of_results == recipe_of("c4").mapping
    with pytest.raises(ValueError, match=r"reading\.keep_documents: expected one of auto, always"):
        recipe_of("c4", "reading.keep_documents=true")
