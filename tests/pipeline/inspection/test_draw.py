"""Random samples: filters, seeds, and the texts of dropped documents."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter

import pytest

from pipeline.commands.main import main
from pipeline.inspection.explain import explain, follow
from tests.support.plain.shards import plain_documents, plain_dropped
from tests.support.runs import ROOT, run_demo


@pytest.fixture(scope="module")
def kept(demo_run):
    return {document.row["id"]: document for document in plain_documents(demo_run)}


@pytest.fixture(scope="module")
def dropped(demo_run):
    return {row["id"]: row for row in plain_dropped(demo_run)}


def sample(capsys, output, *arguments):
    status = main(["sample", str(output), *map(str, arguments), "--json"])
    answer = json.loads(capsys.readouterr().out)
    assert status == (0 if answer["documents"] else 1)
    return answer["matching"], answer["documents"]


@pytest.mark.parametrize(
    ("arguments", "matches"),
    [
        ([], lambda d: True),
        (["--source", "c4"], lambda d: d.row["id"].startswith("c4/")),
        (["--language", "en"], lambda d: d.row["language"] == "en"),
        (["--bucket", "head"], lambda d: d.row["bucket"] == "head"),
        (["--part", "validation"], lambda d: "/validation-" in d.shard),
        (["--bucket", "middle", "--part", "validation", "--source", "commoncrawl"],
         lambda d: d.row["bucket"] == "middle" and d.shard.startswith("commoncrawl/validation-")),
        (["--bucket", "head", "--language", "de"], lambda d: False),
    ],
)  # fmt: skip
def test_all_documents_that_match_and_no_other_can_be_drawn(
    demo_run, kept, capsys, arguments, matches
):
    expected = {identifier for identifier, document in kept.items() if matches(document)}
    matching, found = sample(capsys, demo_run, *arguments, "-n", 10_000)
    assert matching == len(expected) == len(found)
    assert {one["record"]["id"] for one in found} == expected
    for one in found:
        document = kept[one["record"]["id"]]
        assert (one["shard"], one["number"], one["text"]) == (*document[:2], document.text)


@pytest.mark.slow
def test_a_seed_draws_the_same_and_every_document_is_as_likely(demo_run, capsys):
    first = sample(capsys, demo_run, "-n", 4, "--seed", 7)
    assert sample(capsys, demo_run, "-n", 4, "--seed", 7) == first
    assert sample(capsys, demo_run, "-n", 4, "--seed", 8) != first
    drawn = Counter()
    few = ["--source", "stackexchange", "-n", 3]
    for seed in range(100):
        _, found = sample(capsys, demo_run, *few, "--seed", seed)
        drawn.update(one["record"]["id"] for one in found)
    # Each is drawn 27 times on average. The bounds are four standard deviations away.
    assert len(drawn) == 11 and 9 < min(drawn.values()) <= max(drawn.values()) < 46


@pytest.mark.parametrize(
    ("arguments", "column", "value"),
    [
        (["--reason", "too_short"], "reason", "too_short"),
        (["--step", "deduplicate_documents"], "step", "deduplicate_documents"),
        (["--step", "read"], "step", "read"),
        (["--dropped", "--language", "de"], "language", "de"),
    ],
)
def test_dropped_documents_come_with_the_text_that_they_had(
    demo_run, dropped, capsys, arguments, column, value
):
    expected = {identifier for identifier, row in dropped.items() if row[column] == value}
    matching, found = sample(capsys, demo_run, *arguments, "-n", 10_000)
    assert {one["record"]["id"] for one in found} == expected and matching == len(expected) > 0
    for one in found:
        row = {name: one["record"][name] for name in dropped[one["record"]["id"]]}
        row["metadata"] = dropped[row["id"]]["metadata"]
        assert row == dropped[row["id"]]
        assert len(one["text"]) == row["chars"]
    last = explain(str(demo_run), found[-1]["record"]["id"])["decisions"][-1]
    assert (last["step"], last["dropped_by"]) == (row["step"], row["reason"])
    assert last["characters_before"] == len(found[-1]["text"])


@pytest.mark.slow
def test_texts_of_every_reason_are_those_that_all_steps_lead_to(demo_run, dropped, capsys):
    """A sample of one reason alone needs only the steps up to that reason's."""
    by_shard = {}
    for identifier in dropped:
        by_shard.setdefault(identifier.partition("/")[0], []).append(identifier)
    histories = {}
    for source, identifiers in by_shard.items():
        histories |= follow(str(demo_run), identifiers, source=source)
    reasons = {row["reason"] for row in dropped.values()}
    assert len(reasons) > 30
    for reason in reasons:
        _, found = sample(capsys, demo_run, "--reason", reason, "-n", 10_000)
        for one in found:
            assert one["text"] == histories[one["record"]["id"]].text_before


@pytest.mark.slow
@pytest.mark.parametrize("source", ["stackexchange", "c4"])
def test_rows_that_the_reader_dropped_are_shown_where_no_document_is_left(tmp_path, capsys, source):
    names = {"stackexchange": "stackexchange/a.site/Posts.xml", "c4": "c4/a.json"}
    path = tmp_path / names[source]
    path.parent.mkdir(parents=True)
    path.write_text("no posts and no JSON\n")
    output = tmp_path / "out"
    status = run_demo(
        output, "--sources", source, "--set", f"sources.{source}.input=[{tmp_path}/{source}/**]"
    )
    assert status == 3, "nothing of the source is kept"
    capsys.readouterr()
    (row,) = plain_dropped(output)
    matching, (drawn,) = sample(capsys, output, "--dropped")
    assert matching == 1 and drawn["text"] == ""
    assert drawn["record"]["id"] == row["id"] and drawn["record"]["step"] == "read"


@pytest.mark.slow
@pytest.mark.parametrize("source", ["commoncrawl", "c4", "github", "books"])
def test_a_sample_of_dropped_documents_loads_no_numba(demo_run, source):
    """Of these sources; reading HTML needs it."""
    code = (
        "import sys; from pipeline.commands.main import main; "
        f"sys.argv = ['corpus', 'sample', {str(demo_run)!r}, '--dropped', '--source', {source!r}]; "
        "assert main() == 0; "
        "assert 'numba' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True)


@pytest.mark.parametrize(
    "arguments",
    [["-n", "0"], ["--source", "x"], ["--part", "train", "--reason", "too_short"]],
)
def test_mistakes_are_told_in_one_line(demo_run, capsys, arguments):
    assert main(["sample", str(demo_run), *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1


def test_texts_are_shown_in_part(demo_run, capsys):
    assert main(["sample", str(demo_run), "-n", "1", "--chars", "10"]) == 0
    assert "more characters" in capsys.readouterr().out


def test_documents_dropped_by_a_step_that_stands_twice(tmp_path, capsys):
    """The text is the one before the later of the two steps."""
    steps = "[{drop_short: {min_chars: 2}}, strip_licence_header, {drop_short: {min_chars: 99999}}]"
    assert run_demo(tmp_path / "out", "--sources", "github", "--no_report",
                    "--set", f"sources.github.steps={steps}") == 3  # fmt: skip
    capsys.readouterr()
    assert (
        main(["sample", str(tmp_path / "out"), "--step", "drop_short", "-n", "99", "--json"]) == 0
    )
    found = json.loads(capsys.readouterr().out)["documents"]
    assert found and all(len(one["text"]) == one["record"]["chars"] for one in found)


@pytest.mark.parametrize(
    ("option", "value", "part", "column"),
    [
        ("--reason", "nosuch", "dropped", "reason"),
        ("--step", "nosuch", "dropped", "step"),
        ("--bucket", "tail", None, "bucket"),
        ("--language", "xx", None, "language"),
    ],
)
def test_what_no_document_has_is_answered_by_what_there_is(
    demo_run, kept, dropped, capsys, option, value, part, column
):
    assert main(["sample", str(demo_run), option, value]) == 2
    error = capsys.readouterr().err
    rows = dropped.values() if part else [document.row for document in kept.values()]
    listed = error.strip().rpartition("there are: ")[2].split(", ")
    assert listed == sorted({row[column] for row in rows} - {None})
    assert value in error and error.count("\n") == 1
