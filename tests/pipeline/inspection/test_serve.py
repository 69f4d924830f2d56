"""The document browser, used in Chromium, and by requests that no browser would make."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import subprocess
import sys
from contextlib import contextmanager
from urllib.parse import quote, urlsplit

import psutil
import pytest

from pipeline.commands.main import main
from pipeline.inspection.browser.listing import PAGE_ROWS, page_before, page_from, parse_place
from pipeline.inspection.document_rows import Filter, document_files
from pipeline.inspection.explain import explain
from pipeline.inspection.manifest import load_manifest
from tests.support.browser import watched
from tests.support.plain.shards import plain_documents, plain_dropped
from tests.support.runs import ROOT, run_demo

SCRIPT = "<script>document.title = 'run'; fetch('http://elsewhere.example/')</script><b>bold</b>"


@contextmanager
def serving(output):
    """Run ``corpus serve`` at a free port; yield its url."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline.commands.main", "serve", str(output), "--port", "0"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        line = process.stdout.readline()
        assert line.startswith("http://127.0.0.1:"), line + process.stdout.read()
        connections = psutil.Process(process.pid).net_connections()
        assert {connection.laddr.ip for connection in connections} == {"127.0.0.1"}
        yield line.split()[0]
    finally:
        process.terminate()
        rest = process.communicate(timeout=20)[0]
    assert rest == "", "no more than one line is printed"


@pytest.fixture(scope="module")
def server(demo_run):
    with serving(demo_run) as url:
        yield url


@pytest.fixture(scope="module")
def hostile_run(tmp_path_factory):
    """A run over pages that hold markup in text, url and metadata."""
    folder = tmp_path_factory.mktemp("hostile")
    rows = [
        {"text": f"{SCRIPT} number {i}", "url": f"javascript:alert({i})//{SCRIPT}",
         "timestamp": SCRIPT}
        for i in (0, 1, 1)
    ]  # fmt: skip
    data = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "c4").mkdir()
    (folder / "c4" / "pages.json").write_text(data)
    setting = f"sources.c4.input=['{folder}/c4/*.json']"
    assert run_demo(folder / "out", "--sources", "c4", "--set", setting) == 0
    return folder / "out"


def request(url, path="/", method="GET", **headers):
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    connection.request(method, path, headers=headers)
    response = connection.getresponse()
    return response, response.read().decode()


def follow(page, link):
    """Click a link, and wait for its page."""
    with page.expect_navigation():
        link.click()


def rows_shown(page):
    return page.locator(".list td.id a").all_inner_texts()


@pytest.mark.slow
def test_filter_page_and_open_documents(server, browser, demo_run):
    kept = [d.row["id"] for d in plain_documents(demo_run)]
    head = [
        d.row["id"] for d in plain_documents(demo_run)
        if d.row["bucket"] == "head" and d.shard.startswith("commoncrawl/")
    ]  # fmt: skip
    with watched(browser, server) as seen:
        page = seen.page
        page.goto(server)
        follow(page, page.get_by_role("link", name="Documents kept"))
        assert f"{len(kept)} documents" in page.inner_text("main")
        page.select_option("select[name=source]", "commoncrawl")
        page.select_option("select[name=bucket]", "head")
        follow(page, page.get_by_role("button", name="Filter"))
        assert f"{len(head)} documents" in page.inner_text("main")
        shown = rows_shown(page)
        assert len(shown) == PAGE_ROWS
        while page.get_by_role("link", name="next page").count():
            follow(page, page.get_by_role("link", name="next page").first)
            shown += rows_shown(page)
        assert sorted(shown) == sorted(head)
        last = rows_shown(page)
        follow(page, page.get_by_role("link", name="previous page").first)
        assert rows_shown(page) == shown[-len(last) - PAGE_ROWS : -len(last)]
        follow(page, page.get_by_role("link", name=shown[-len(last) - 1], exact=True))
        assert page.inner_text("h1") == shown[-len(last) - 1]
        page.go_back()
        page.fill("input[name=contains]", head[3])
        follow(page, page.get_by_role("button", name="Filter"))
        assert head[3] in rows_shown(page)
        assert seen.errors == [] and seen.requests == []


def test_removed_lines_are_struck_through(server, browser, demo_run):
    gone = next(r for r in plain_dropped(demo_run) if r["reason"] == "no_unique_line")
    with watched(browser, server) as seen:
        page = seen.page
        page.goto(f"{server}documents?part=dropped")
        page.select_option("select[name=reason]", "no_unique_line")
        follow(page, page.get_by_role("button", name="Filter"))
        follow(page, page.get_by_role("link", name=gone["id"], exact=True))
        assert "dropped by deduplicate_lines: no_unique_line" in page.inner_text("main")
        decisions = explain(str(demo_run), gone["id"])["decisions"]
        removed = [line["text"] for line in decisions[-1]["removed_lines"]]
        struck = page.locator("pre del")
        assert struck.all_text_contents() == removed and len(removed) > 1
        assert struck.first.is_visible()
        style = "e => getComputedStyle(e).textDecorationLine"
        assert struck.first.evaluate(style) == "line-through"
        assert seen.errors == [] and seen.requests == []


def test_a_kept_document_shows_what_was_removed_and_its_tokens(server, browser, demo_run):
    document = next(d for d in plain_documents(demo_run) if d.shard == "commoncrawl/train-00000")
    decisions = {d["step"]: d for d in explain(str(demo_run), document.row["id"])["decisions"]}
    removed = decisions["deduplicate_lines"]["removed_lines"]
    with watched(browser, server) as seen:
        page = seen.page
        page.goto(f"{server}document?shard={document.shard}&number={document.number}")
        before, text, tokens = page.locator("pre").all()
        assert before.locator("del").all_text_contents() == [line["text"] for line in removed]
        assert text.text_content().removesuffix("\n") == document.text
        assert tokens.locator("span").count() == len(document.ids)
        assert [step.inner_text() for step in page.locator("td.step").all()] == list(decisions)
        assert seen.errors == [] and seen.requests == []


@pytest.mark.slow
def test_markup_of_documents_stays_text(hostile_run, browser):
    with serving(hostile_run) as server, watched(browser, server) as seen:
        page = seen.page
        for part in ("kept", "dropped"):
            page.goto(f"{server}documents?part={part}&contains={quote(SCRIPT)}")
            assert SCRIPT in page.inner_text(".list")
            follow(page, page.locator(".list td.id a").first)
            assert SCRIPT in page.locator("pre").first.text_content()
            assert page.locator("main").text_content().count(SCRIPT) >= 3  # url, metadata, text
            assert page.title().startswith("c4/")
            assert page.locator("script, b").count() == 0
        page.goto(f"{server}documents?text={quote(SCRIPT)}")
        assert page.locator("mark").first.inner_text() == SCRIPT
        assert page.locator("script, b").count() == 0
        page.goto(f"{server}documents?source={quote(SCRIPT)}")
        assert SCRIPT in page.inner_text("main")
        assert page.locator("script, b").count() == 0
        # Chromium reports the answer 404 as an error.
        assert all("404" in error for error in seen.errors) and seen.requests == []


def test_the_report_opens(server, browser):
    with watched(browser, server) as seen:
        seen.page.goto(server)
        follow(seen.page, seen.page.get_by_role("link", name="The report"))
        seen.page.wait_for_selector(".plot svg")
        seen.page.locator("#source-commoncrawl summary").first.click()
        sample = seen.page.locator("#source-commoncrawl article a").first
        identifier = sample.inner_text()
        follow(seen.page, sample)
        assert seen.page.inner_text("h1") == identifier
        follow(seen.page, seen.page.get_by_role("link", name="Report", exact=True))
        follow(seen.page, seen.page.get_by_role("link", name="Documents", exact=True))
        assert "Documents by source" in seen.page.inner_text("main")
        assert seen.errors == [] and seen.requests == []


def all_pages(page):
    """Return the ids on all pages of a list, the shown one being the first."""
    shown = rows_shown(page)
    while page.get_by_role("link", name="next page").count():
        follow(page, page.get_by_role("link", name="next page").first)
        shown += rows_shown(page)
    return shown


def test_texts_are_searched_and_hits_are_gone_through(server, browser, demo_run):
    phrase = "the garden"
    texts = [(d.row["id"], d.text) for d in plain_documents(demo_run)]
    exact = {identifier for identifier, text in texts if phrase in text}
    loose = {identifier for identifier, text in texts if phrase in text.lower()}
    with watched(browser, server) as seen:
        page = seen.page
        page.goto(server)
        page.fill("input[name=text]", phrase)
        follow(page, page.get_by_role("button", name="Search"))
        assert set(page.locator("mark").all_inner_texts()) == {phrase}
        first = page.url
        shown = all_pages(page)
        assert set(shown) == exact and len(shown) == len(exact) > 2
        page.goto(first)
        follow(page, page.get_by_role("link", name=shown[0], exact=True))
        assert phrase in page.locator("pre.text").first.text_content()
        for identifier in shown[1:3]:
            follow(page, page.get_by_role("link", name="next", exact=False).first)
            assert page.inner_text("h1") == identifier
        follow(page, page.get_by_role("link", name="previous", exact=False).first)
        assert page.inner_text("h1") == shown[1]
        follow(page, page.get_by_role("link", name="random", exact=True))
        assert page.inner_text("h1") in exact
        follow(page, page.get_by_role("link", name="the list", exact=True))
        page.check("input[name=any_case]")
        page.fill("input[name=text]", phrase.upper())
        follow(page, page.get_by_role("button", name="Filter"))
        assert set(all_pages(page)) == loose
        assert seen.errors == [] and seen.requests == []


def test_documents_are_sorted_within_ranges_of_their_scores(server, browser, demo_run):
    rows = [
        d.row for d in plain_documents(demo_run)
        if (d.row["language_score"] or 0) >= 0.9 and 300 <= d.row["chars"] <= 2000
    ]  # fmt: skip
    assert len(rows) > PAGE_ROWS
    with watched(browser, server) as seen:
        page = seen.page
        page.goto(f"{server}documents")
        page.select_option("select[name=sort]", "-perplexity")
        page.locator("summary", has_text="Ranges").click()
        page.fill("input[name=min_language_score]", "0.9")
        page.fill("input[name=min_chars]", "300")
        page.fill("input[name=max_chars]", "2000")
        follow(page, page.get_by_role("button", name="Filter"))
        assert f"{len(rows)} documents" in page.inner_text("main")
        assert page.locator(".preview").first.inner_text()
        shown = all_pages(page)
        assert sorted(shown) == sorted(row["id"] for row in rows)
        of = {row["id"]: -1 if row["perplexity"] is None else row["perplexity"] for row in rows}
        found = [of[identifier] for identifier in shown]
        assert found == sorted(found, reverse=True) and len(set(found)) > 10
        assert seen.errors == [] and seen.requests == []


@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_is_wider_than_its_window(server, browser, width):
    with watched(browser, server, viewport={"width": width, "height": 800}) as seen:
        for path in ("", "documents", "documents?part=dropped", "documents?min_chars=9",
                     "documents?text=the", "documents?text=no+such+text+at+all",
                     "beside?place=0-0&backwards=1",
                     "document?shard=commoncrawl/train-00000&number=0",
                     "document?shard=github/train-00000&number=1"):  # fmt: skip
            seen.page.goto(server + path)
            assert seen.overflow() == 0, path


def test_only_get_and_only_this_machine(server):
    answer, page = request(server)
    assert answer.status == 200 and "Documents by source" in page
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy and "script-src 'none'" in policy
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        assert request(server, method=method)[0].status == 405
    port = urlsplit(server).port
    for name in (f"127.0.0.1:{port}", f"localhost:{port}", "[::1]", "localhost"):
        assert request(server, Host=name)[0].status == 200
    for name in (f"evil.example:{port}", "127.0.0.1.evil.example", "", "localhost.evil.example",
                 "evil.example@127.0.0.1"):  # fmt: skip
        answer, page = request(server, Host=name)
        assert answer.status in (400, 403) and "commoncrawl" not in page


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/style.css/../app.py", "/manifest.json",
        "/document?shard=../../manifest&number=0", "/document?shard=c4/train-00000&number=9e9",
        "/document?shard=commoncrawl/train-00000&number=99999", "/document", "/documents?part=x",
        "/documents?source=x", "/documents?from=1", "/documents?before=-1-2", "/report/x",
        f"/documents?from={'9' * 60}-1", "/document?shard=%00&number=0",
        "/documents?sort=id", "/documents?min_chars=x", "/documents?max_perplexity=nan",
        "/documents?text=a&part=dropped", "/random?source=x",
        "/documents?sort=chars&page=-1", "/documents?sort=token_count&part=dropped",
        "/beside", "/beside?place=1", "/document?shard=c4/train-00000&id=none",
        f"/documents?text={'a' * 501}",
    ],
)  # fmt: skip
def test_what_is_not_there_is_not_found(server, path):
    answer, page = request(server, path)
    assert answer.status == 404
    assert "root:" not in page and "Traceback" not in page


def test_pages_of_a_list_go_on_where_a_long_search_stopped(demo_run, monkeypatch):
    monkeypatch.setattr("pipeline.inspection.browser.listing.PAGE_ROWS", 7)
    monkeypatch.setattr("pipeline.inspection.browser.listing.MAX_SCANNED_ROWS", 60)
    files = document_files(str(demo_run), load_manifest(str(demo_run)))
    wanted = Filter(language="en", contains="blog")
    expected = [
        d.row["id"]
        for file in files
        for d in plain_documents(demo_run)
        if d.shard == file.name and d.row["language"] == "en"
        and "blog" in d.row["id"] + (d.row["url"] or "")
    ]  # fmt: skip
    place, forwards, cut_short = parse_place("0-0"), [], 0
    while place is not None:
        page = page_from(files, wanted, place)
        assert len(page.documents) <= 7
        forwards += [document["id"] for document in page.documents]
        cut_short += page.is_cut_short
        place = page.after
    assert forwards == expected and len(expected) > 14 and cut_short
    place, backwards = parse_place(f"{len(files)}-0"), []
    while place is not None:
        page = page_before(files, wanted, place)
        ids = [document["id"] for document in page.documents]
        # A first page is full, so it may repeat rows of the next.
        if place_is_first := page.before is None:
            ids = [identifier for identifier in ids if identifier not in backwards]
        backwards = ids + backwards
        place = page.before
    assert place_is_first and backwards == expected


@pytest.mark.slow
def test_a_run_whose_input_is_gone_still_opens(hostile_run, browser):
    source = hostile_run.parent / "c4"
    source.rename(hostile_run.parent / "away")
    try:
        with serving(hostile_run) as server:
            answer, page = request(server, "/document?shard=c4/train-00000&number=0")
        assert answer.status == 200 and "the input file is not there any more" in page
    finally:
        (hostile_run.parent / "away").rename(source)


@pytest.mark.slow
def test_a_run_whose_tokenizer_is_another_one_says_so(demo_run, tmp_path):
    output = tmp_path / "out"
    shutil.copytree(demo_run, output)
    manifest = json.loads((output / "manifest.json").read_text())
    manifest["tokenizer"]["sha256"] = "0" * 64
    (output / "manifest.json").write_text(json.dumps(manifest))
    with serving(output) as server:
        answer, page = request(server, "/document?shard=c4/train-00000&number=0")
    assert answer.status == 200 and "not the tokenizer that made the shards" in page


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("train-00000.docs.parquet", lambda data: data[:-9]),
        ("train-00000.docs.parquet", lambda data: data[:4] + bytes(400) + data[404:]),
        ("train-00000.bin", lambda data: data[:-2]),
        ("train-00000.bin", lambda data: b"\xff" * len(data)),
        ("train-00000.idx", lambda data: data[:-2]),
        ("train-00000.bin", None),
        ("train-00000.docs.parquet", None),
    ],
)  # fmt: skip
def test_a_damaged_file_is_named(demo_run, tmp_path, name, damage):
    """The answer is a server error, the terminal stays empty, and other pages open."""
    output = tmp_path / "out"
    shutil.copytree(demo_run, output)
    path = output / "shards" / "commoncrawl" / name
    path.write_bytes(damage(path.read_bytes())) if damage else path.unlink()
    pages = ["/document?shard=commoncrawl/train-00000&number=0"]
    if name.endswith(".parquet"):
        pages.append("/documents?source=commoncrawl&part=train")
    with serving(output) as server:
        for path_asked in pages:
            answer, page = request(server, path_asked)
            assert answer.status == 500 and "A file of the run is damaged" in page
            assert f"commoncrawl/{name}" in page and "Traceback" not in page
        assert request(server, "/document?shard=github/train-00000&number=0")[0].status == 200


def test_a_port_that_is_taken_is_told_in_one_line(demo_run, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", str(demo_run), "--port", str(port)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: cannot listen at 127.0.0.1") and error.count("\n") == 1
