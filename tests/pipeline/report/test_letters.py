"""What a report says of guessed encodings and of letters that were lost."""

from __future__ import annotations

import re

from pipeline.report.data import collect
from pipeline.report.observations import Observations
from tests.support.runs import run_demo
from tests.support.samples.reader_samples import http_response, warc_record

SOURCE = "commoncrawl_warc"


def test_letters_of_all_shards_are_added_up_where_they_were_counted():
    shard = {"steps": [], "worker_peak_bytes": 1, "samples": [], "removed_lines": {}, "domains": {}}
    observed = Observations()
    observed.add({**shard, "letters": {"encoding_guessed": 2, "lost": 7}})
    observed.add({**shard, "letters": {"encoding_guessed": 1, "lost": 1}})
    observed.add(shard)
    assert observed.letters == {"encoding_guessed": 3, "lost": 8}


def test_guesses_and_lost_letters_are_told_for_every_source(tmp_path):
    page = "<p>" + "Grüße aus Köln, schöne Straße, eine große Öffnung. " * 9
    bodies = [page.encode("latin-1"), (page + "K\ufffdln").encode(), page.encode()]
    records = [warc_record(http_response(body), "response") for body in bodies]
    (tmp_path / "a.warc").write_bytes(b"".join(records))
    output = tmp_path / "out"
    assert run_demo(output, "--sources", SOURCE,
                    "--set", f"sources.{SOURCE}.input=[{tmp_path}/a.warc]",
                    "--set", f"sources.{SOURCE}.steps=[]") == 0  # fmt: skip
    (source,) = collect(str(output))["sources"]
    assert source["letters"] == {"encoding_guessed": 1, "documents_with_lost": 1, "lost": 1}
    shown = (output / "report.html").read_text()
    table = shown[shown.index('<section id="letters">') :].split("</section>")[0]
    assert re.findall(r"<td[^>]*>(.*?)</td>", table) == [SOURCE, "3", "1", "1", "1"]
