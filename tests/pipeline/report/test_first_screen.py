"""What a report begins with, and where it leads."""

from __future__ import annotations

import re
from urllib.parse import urlencode

import pytest

from pipeline.report.data import collect
from pipeline.report.llama_mixture import LLAMA_SOURCES, is_llama
from pipeline.report.page import recipe_name, render
from tests.support.browser import watched


@pytest.fixture(scope="module")
def report(demo_run):
    return collect(str(demo_run))


def test_the_page_begins_with_when_how_long_by_what_and_how_much_was_kept(
    demo_run, report, browser
):
    times, totals = report["times"], report["totals"]
    assert times.commands == 1 and 0 < times.seconds < 600
    url = (demo_run / "report.html").as_uri()
    with watched(browser, url, viewport={"width": 1280, "height": 900}) as page:
        page.page.goto(url)
        tiles = dict(
            zip(page.page.locator(".tiles dt").all_inner_texts(),
                page.page.locator(".tiles dd").all_inner_texts(), strict=True)
        )  # fmt: skip
        assert tiles["done, UTC"] == times.ended[:16].replace("T", " ")
        assert tiles["took"] == f"{times.seconds:.0f} s" and tiles["recipe"] == "as below"
        share = totals["documents_kept"] / totals["documents_in"]
        assert tiles["share kept"] == f"{share:.1%}"
        assert times.command in page.page.locator("header code").inner_text()
        navigation = page.page.locator("body > nav")
        page.page.locator("#versions").scroll_into_view_if_needed()
        assert navigation.bounding_box()["y"] == 0


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("corpus run --recipe 'my files/a b.yaml' --output out", "a b.yaml"),
        ("python beam_runner.py --recipe=recipes/llama.yaml", "llama.yaml"),
        ("corpus demo", None),
    ],
)
def test_the_recipe_is_called_as_the_command_has_it(command, name):
    assert recipe_name(command) == name


def test_where_the_text_went_adds_up_to_what_was_read(report):
    for one in report["sources"]:
        read = sum(row["characters"] for row in one["funnel"] if row["outcome"] == "in")
        assert one["characters"] + sum(one["gone"].values()) == read
    web = next(one for one in report["sources"] if one["name"] == "commoncrawl")
    assert {"drop_short", "deduplicate_lines", "bucket_by_perplexity"} <= set(web["gone"])


def test_the_table_beside_llama_s_is_there_for_llama_s_sources_alone(report):
    assert 'id="chart-mixture"' in render(report)
    page = render({**report, "llama": []})
    assert "Beside LLaMA" not in page and 'id="chart-mixture"' not in page
    names = [f"{name}_2024" for name in LLAMA_SOURCES]
    assert is_llama(names) and is_llama(LLAMA_SOURCES)
    assert not is_llama([*names, "mine"]) and not is_llama(names[1:])


def test_the_ids_of_samples_lead_to_the_documents(report):
    page = render(report)
    web = next(one for one in report["sources"] if one["name"] == "commoncrawl")
    for heading in web["samples"]:
        for sample in heading["samples"]:
            part = heading["reason"] if heading["outcome"] == "out" else "dropped"
            shard = f"commoncrawl/{part}-{sample['shard']:05d}"
            asked = urlencode({"shard": shard, "id": sample["id"]}).replace("&", "&amp;")
            assert f'href="http://127.0.0.1:8321/document?{asked}"' in page


def test_a_speed_is_that_after_the_first_use(report):
    speed = render(report).split('<section id="speed">')[1].split("<tbody>")[1]
    web = next(one for one in report["sources"] if one["name"] == "commoncrawl")
    for step in (one for one in web["steps"] if one["text_bytes"]):
        first = step["first_processor_seconds"]
        seconds = step["processor_seconds"] - first
        rows = [one for one in speed.split("<tr>") if ">commoncrawl<" in one]
        (row,) = [one for one in rows if f">{step['step']}<" in one]
        cells = re.findall(r'data-value="([^"]*)"', row)
        assert float(cells[3]) == first
        assert float(cells[5]) == pytest.approx(step["text_bytes"] / 1e6 / seconds)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_heat_map_stands_out_from_the_page_where_most_documents_are(demo_run, browser, scheme):
    url = (demo_run / "report.html").as_uri()
    with watched(browser, url, color_scheme=scheme) as page:
        page.page.goto(url)
        colours = "e => getComputedStyle(e).backgroundColor.match(/\\d+/g).map(Number)"
        field = sum(page.page.locator("#chart-lengths .cells i").first.evaluate(colours))
        back = sum(page.page.locator("body").evaluate(colours))
        assert (field > back) == (scheme == "dark") and abs(field - back) > 200
