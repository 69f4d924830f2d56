"""The report of a run: its numbers, and its page in a browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from urllib.parse import urlsplit

import pyarrow.parquet as pq
import pytest

from pipeline.commands.main import main as corpus
from pipeline.files.storage import json_bytes
from pipeline.inspection.manifest import statistics
from pipeline.inspection.verify import verify
from pipeline.output.layout import sealed
from pipeline.report.data import collect
from pipeline.report.distributions import KEPT, LANGUAGE_REASONS, OF_LANGUAGE, OTHERWISE
from pipeline.report.observations import Observations
from pipeline.report.page import render
from tests.support.browser import watched
from tests.support.report_checks import assert_report_opens
from tests.support.runs import ROOT, run_demo

pytestmark = pytest.mark.slow

ARGUMENTS = ["--sources", "commoncrawl,c4,github", "--set", "shards.target_shard_tokens=50000"]
ATTACK = "</script><script>document.title = 'taken'</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    output = tmp_path_factory.mktemp("report") / "out"
    assert run_demo(output, *ARGUMENTS) == 0
    return output


@pytest.fixture(scope="module")
def report(run):
    return collect(str(run))


def source(report, name):
    return next(one for one in report["sources"] if one["name"] == name)


def rows(run, source, pattern):
    return [
        row
        for path in sorted((run / "shards" / source).glob(pattern))
        for row in pq.read_table(path).to_pylist()
    ]


def test_packages_that_are_not_installed_have_no_version(run, monkeypatch):
    monkeypatch.setattr("pipeline.report.data.PACKAGES", ("numpy", "no-such-package"))
    assert list(collect(str(run))["versions"]) == ["numpy"]


@pytest.mark.slow
def test_the_page_opens_quietly_on_desktop_and_phone(run, browser):
    assert_report_opens(browser, run / "report.html")


def test_columns_are_sorted_by_click_and_key_numbers_as_numbers(run, browser):
    url = (run / "report.html").as_uri()
    with watched(browser, url, viewport={"width": 1280, "height": 900}) as page:
        page.page.goto(url)
        table = page.page.locator("#source-github table").first
        head = table.locator("th", has_text="characters")
        cells = table.locator("td:nth-child(6)")
        before = cells.all_text_contents()
        head.locator("button").click()
        assert head.get_attribute("aria-sort") == "descending"
        numbers = [int(text.replace(",", "")) for text in cells.all_text_contents()]
        assert (
            numbers == sorted(numbers, reverse=True) and len(set(map(len, map(str, numbers)))) > 2
        )
        head.locator("button").press("Enter")
        assert head.get_attribute("aria-sort") == "ascending"
        numbers = [int(text.replace(",", "")) for text in cells.all_text_contents()]
        assert numbers == sorted(numbers) and sorted(before) == sorted(cells.all_text_contents())
        shares = table.locator("th", has_text="share")
        shares.locator("button").click()
        last = table.locator("td:nth-child(5)").all_text_contents()
        assert head.get_attribute("aria-sort") == "none" and last[-1] == "-" and last[0] != "-"
        words = table.locator("th", has_text="reason")
        words.locator("button").click()
        assert words.get_attribute("aria-sort") == "ascending"
        found = table.locator("td:nth-child(3)").all_text_contents()
        assert found == sorted(found)


def test_script_in_a_page_stays_text(tmp_path, browser):
    """The script stands in a text, a url, a file name and a removed line."""
    data = tmp_path / "<b>x" / "c4"
    data.mkdir(parents=True)
    lines = [
        {
            "text": f"{ATTACK}\n{'A line that stays here. ' * 9}{'abcd'[n]}",
            "url": f"http://<i>{n}.org/{ATTACK}",
        }
        for n in range(4)
    ]
    (data / "a.json").write_text("\n".join(map(json.dumps, lines)) + "\nno json " + ATTACK)
    steps = "[{deduplicate_lines: {keep: none, window_files: null}}]"
    output = tmp_path / "out"
    assert run_demo(output, "--sources", "c4", "--set", f"sources.c4.input=[{data}/a.json]",
                    "--set", f"sources.c4.steps={steps}") == 0  # fmt: skip
    url = (output / "report.html").as_uri()
    with watched(browser, url) as page:
        page.page.goto(url)
        assert page.errors == [] and page.requests == []
        assert page.page.title().startswith("Corpus report")
        assert page.page.locator("img").count() == 0
        assert page.page.locator("td", has_text=ATTACK).count() == 1  # the removed line
        page.page.locator("summary", has_text="train").click()
        shown = page.page.locator("article", has_text="A line that stays here.").first
        assert shown.is_visible() and ATTACK in shown.text_content()


@pytest.fixture(scope="module")
def warned(tmp_path_factory):
    """A run with an empty file, and with joined posts that leave some partitions empty."""
    folder = tmp_path_factory.mktemp("warned")
    (folder / "c4").mkdir()
    (folder / "c4" / "a.json").write_text(json.dumps({"text": "one"}) + "\n")
    (folder / "c4" / "<b>_`b.json").touch()
    site = folder / "posts" / "empty.stackexchange.com"
    site.mkdir(parents=True)
    (site / "Posts.xml").write_text("<posts>\n</posts>\n" + " " * 3000)
    output = folder / "out"
    assert run_demo(output, "--sources", "c4,stackexchange",
                    "--set", f"sources.c4.input=['{folder}/c4/*.json']",
                    "--set", f"sources.stackexchange.input=['{folder}/posts/*/Posts.xml']",
                    "--set", "token_budget=10",  # less than an epoch
                    "--set", "reading.joined_part_bytes=1000") == 3  # fmt: skip
    return output


def test_the_page_and_the_card_tell_what_the_run_warned_of(warned, browser, capsys):
    warnings = [
        "c4: 1 of 2 files held nothing: c4/<b>_`b.json",
        "stackexchange: none of its 0 records is a document that was kept",
    ]
    assert len(list((warned / "joined" / "stackexchange").iterdir())) > 1
    assert collect(str(warned))["warnings"] == warnings
    assert corpus(["stats", str(warned)]) == 0
    printed = capsys.readouterr().out
    assert [line for line in printed.splitlines() if line.startswith("warning: ")] == [
        f"warning: {warning}" for warning in warnings
    ]
    card = (warned / "DATACARD.md").read_text().split("## Known limits")[1]
    assert r"- c4: 1 of 2 files held nothing: c4/\<b\>\_\`b.json." in card
    assert "- stackexchange: none of its 0 records" in card
    url = (warned / "report.html").as_uri()
    for width, scheme in ((1280, "light"), (390, "dark")):
        size = {"width": width, "height": 844}
        with watched(browser, url, viewport=size, color_scheme=scheme) as page:
            page.page.goto(url)
            assert page.page.locator(".warnings li").all_inner_texts() == warnings
            shown = page.page.locator(".warnings").bounding_box()
            mixture = page.page.locator("#mixture").bounding_box()
            assert shown["y"] + shown["height"] < mixture["y"]
            assert page.overflow() == 0 and page.errors == []


def test_a_run_without_warnings_shows_none(run, report):
    assert report["warnings"] == []
    assert 'class="warnings"' not in (run / "report.html").read_text()


def test_the_page_needs_nothing_else_and_says_which_script_is_its_own(run):
    page = (run / "report.html").read_text()
    policy = page.split('Content-Security-Policy" content="')[1].split('"')[0]
    assert "default-src 'none'" in policy and policy.count("'sha256-") == 1
    assert "script-src 'unsafe-inline'" not in policy
    assert page.count("<script>") == 1 and "<script src" not in page
    assert len(page.encode()) < 1_000_000


def test_the_numbers_are_those_of_the_ledger_and_the_shards(run, report):
    stats = statistics(str(run))["sources"]
    for one in report["sources"]:
        plain = [{k: row[k] for k in ("step", "outcome", "reason", "characters")}
                 for row in stats[one["name"]]["funnel"]]  # fmt: skip
        assert [{k: row[k] for k in plain[0]} for row in one["funnel"]] == plain
        assert one["left"][-1]["documents"] == one["documents_kept"]
        kept = rows(run, one["name"], "*.docs.parquet")
        assert one["tokens"] == sum(row["token_count"] for row in kept)
        written = [row["tokens"] for row in one["funnel"] if row["outcome"] == "out"]
        assert sum(written) == one["tokens"]
        bins = one["distributions"].lengths["kept"]
        assert bins.total == len(kept)
        for low, high, count in zip(bins.edges[:-1], bins.edges[1:], bins.counts, strict=True):
            assert count == sum(low <= row["chars"] < high for row in kept)
    assert report["totals"]["tokens"] == sum(one["tokens"] for one in report["sources"])


def test_some_of_llama_s_sources_are_not_set_beside_it(run, report):
    assert report["llama"] == [] and "Beside LLaMA" not in (run / "report.html").read_text()


def test_bytes_a_token_are_those_of_the_text(run, report):
    """ASCII text has as many bytes as characters."""
    github = source(report, "github")
    assert github["bytes_a_token"] == pytest.approx(
        github["characters"] / github["tokens"], rel=0.01
    )
    assert 3 < source(report, "c4")["bytes_a_token"] < 4.5


def test_domains_and_scores_are_counted_over_kept_and_dropped_documents(run, report):
    web = source(report, "commoncrawl")
    kept = rows(run, "commoncrawl", "*.docs.parquet")
    dropped = rows(run, "commoncrawl", "dropped-*.parquet")
    hosts = Counter(urlsplit(row["url"]).hostname for row in [*kept, *dropped] if row["url"])
    kept_hosts = Counter(urlsplit(row["url"]).hostname for row in kept)
    for item in web["domains"]:
        name = item["domain"]
        assert (item["documents"], item["kept"]) == (hosts[name], kept_hosts[name])
    assert web["domains"][0]["documents"] == hosts.most_common(1)[0][1]
    scored = [row for row in [*kept, *dropped] if row["perplexity"] is not None]
    spread = web["distributions"]
    assert {b: h.total for b, h in spread.perplexities.items()} == Counter(
        row["bucket"] or "no bucket" for row in scored
    )
    found = Counter(
        OF_LANGUAGE if row["reason"] in LANGUAGE_REASONS else OTHERWISE
        for row in dropped
        if row["language_score"] is not None
    )
    assert spread.scores[OF_LANGUAGE].total == found[OF_LANGUAGE] > 0
    assert spread.scores[OTHERWISE].total == found[OTHERWISE] > 0
    assert spread.scores[KEPT].total == len(kept)
    assert web["cutoffs"] == {"en": [204.5, 257.8]} and web["min_score"] == 0.5


def test_lines_of_several_shards_are_added_up_within_their_bounds():
    def shard(items, others):
        listed = [{"name": n, "count": c, "missed_at_most": m} for n, c, m in items]
        lines = {"a_step": {"items": listed, "others_at_most": others}}
        return {"steps": [], "worker_peak_bytes": 1, "samples": [], "domains": {},
                "removed_lines": lines}  # fmt: skip

    observed = Observations()
    observed.add(shard([("Home", 10, 0), ("News", 4, 1)], 3))
    observed.add(shard([("Home", 7, 2)], 5))
    found = {row["line"]: (row["at_least"], row["at_most"]) for row in observed.removed_lines(9)}
    assert found == {"Home": (17, 19), "News": (4, 4 + 1 + 5)}


def test_lines_by_domain_are_those_of_each_step():
    """A step sees the lines that the step before it left, so the two must not be added up."""

    def shard(first, second, others=0):
        def listed(lines, removed):
            item = {"name": "a.org", "lines": lines, "removed_lines": removed, "documents": 2}
            return {"items": [item], "others_at_most": others}

        steps = [{"step": name, "calls": 1} for name in ("read", "z_first", "a_second")]
        return {"steps": steps, "worker_peak_bytes": 1, "samples": [], "removed_lines": {},
                "domains": {"a_second": listed(*second), "z_first": listed(*first)}}  # fmt: skip

    observed = Observations()
    observed.add(shard((100, 10), (90, 5)))
    observed.add(shard((20, 2), (18, 1), others=3))
    found = observed.domains(5)
    assert [one["step"] for one in found] == ["z_first", "a_second"]
    assert not any(one["exact"] for one in found)
    assert [one["domains"] for one in found] == [
        [{"domain": "a.org", "lines": 120, "removed_lines": 12, "documents": 4}],
        [{"domain": "a.org", "lines": 108, "removed_lines": 6, "documents": 4}],
    ]


def test_every_step_that_removes_lines_has_a_chart_and_bounds_are_named(report):
    web = source(report, "commoncrawl")
    (listed,) = web["line_domains"]
    second = {**listed, "step": "a_second", "exact": False}
    web = {**web, "line_domains": [listed, second], "domains_exact": False}
    page = render({**report, "sources": [web]})
    ids = re.findall(r' id="([^"]*)"', page)
    assert len(set(ids)) == len(ids) and not any(" " in one for one in ids)
    shown = re.findall(r'<div class="plot" id="([^"]*)"', page)
    assert set(shown) == {one for one in ids if one.startswith("chart-")}
    for step in ("deduplicate_lines", "a_second"):
        assert f"chart-lines-commoncrawl-{step}" in shown
    assert page.count("at least so many, as not all domains are listed") == 1
    assert "more domains than are counted" in page and "more languages than" not in page


@pytest.mark.slow
def test_it_is_written_by_command_too_and_without_beam(run, tmp_path, capsys):
    assert corpus(["report", str(run), "--to", str(tmp_path / "page.html")]) == 0
    assert (tmp_path / "page.html").read_bytes() == (run / "report.html").read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    (run / "DATACARD.md").unlink()
    assert corpus(["report", str(run)]) == 0
    assert (run / "DATACARD.md").exists() and not (run / "work").exists()
    assert str(run / "report.html") in capsys.readouterr().out
    assert corpus(["report", str(run), "--json"]) == 0
    written = json.loads(capsys.readouterr().out)["files"]
    assert written == [str(run / "report.html"), str(run / "DATACARD.md")]
    assert corpus(["report", str(tmp_path)]) == 2
    assert corpus(["report", str(run), "--to", str(tmp_path / "no folder" / "page.html")]) == 2
    assert capsys.readouterr().err.count("\n") == 2
    code = (
        "import sys; from pipeline.commands.main import main; "
        f"assert main(['report', {str(run)!r}]) == 0; "
        "assert not [m for m in sys.modules if m.startswith('apache_beam')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True)


def test_it_leaves_alone_what_a_run_is_writing(run):
    other = run / "work" / "tmp" / "half a shard"
    other.parent.mkdir(parents=True)
    other.touch()
    try:
        assert corpus(["report", str(run)]) == 0
        assert other.exists()
    finally:
        shutil.rmtree(run / "work")


def test_a_report_that_was_removed_comes_back_with_the_next_run(run):
    (run / "report.html").unlink()
    assert run_demo(run, *ARGUMENTS, "--no_report") == 0
    assert not (run / "report.html").exists()
    assert run_demo(run, *ARGUMENTS) == 0
    assert (run / "report.html").exists()


def test_a_report_that_cannot_be_written_leaves_the_run_whole(run, monkeypatch, capsys):
    def fail(output):
        raise AttributeError("no such thing")

    (run / "report.html").unlink()
    monkeypatch.setattr("pipeline.report.files.write_report", fail)
    assert run_demo(run, *ARGUMENTS) == 0
    assert f"'corpus report {run}' writes it" in capsys.readouterr().out
    monkeypatch.undo()
    assert corpus(["report", str(run)]) == 0


@pytest.fixture
def altered(run, tmp_path):
    """A function that copies a run, with its manifest changed by a function."""

    def alter(change):
        shutil.copytree(run, tmp_path / "altered")
        manifest = json.loads((run / "manifest.json").read_text())
        change(manifest)
        (tmp_path / "altered" / "manifest.json").write_bytes(json_bytes(sealed(manifest)))
        return str(tmp_path / "altered")

    return alter


def test_parameters_of_other_steps_are_not_taken_for_thresholds(altered):
    def add_step(manifest):
        steps = manifest["recipe"]["sources"]["commoncrawl"]["steps"]
        steps.insert(0, {"mine.step": {"cutoffs": [1, 2], "min_score": "high"}})

    web = source(collect(altered(add_step)), "commoncrawl")
    assert web["cutoffs"] == {"en": [204.5, 257.8]} and web["min_score"] == 0.5


def test_a_run_without_record_of_dropped_documents_can_be_looked_at(altered):
    def forget(manifest):
        for shard in manifest["shards"]:
            del shard["dropped"]

    output = altered(forget)
    assert verify(output) == []
    web = source(collect(output), "commoncrawl")
    assert web["distributions"].lengths["dropped"].total == 0
    assert web["distributions"].lengths["kept"].total == web["documents_kept"]


@pytest.mark.slow
def test_a_run_that_keeps_nothing_has_a_report_too(tmp_path, browser):
    steps = "[{drop_short: {min_chars: 1000000}}]"
    output = tmp_path / "out"
    arguments = ["--sources", "github", "--set", f"sources.github.steps={steps}"]
    assert run_demo(output, *arguments) == 3
    url = (output / "report.html").as_uri()
    with watched(browser, url) as page:
        page.page.goto(url)
        assert page.errors == [] and page.requests == []
        assert "too_short" in page.page.locator("#source-github").text_content()
    assert "size_categories:\n- n<1K" in (output / "DATACARD.md").read_text()
