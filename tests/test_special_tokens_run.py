"""A run whose recipe makes special tokens of those that are spelt out in documents."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from pipeline.commands.main import main
from tests.support.byte_level import END, SEVERAL_SCRIPTS, train
from tests.support.runs import run_demo
from tokenizer.shards import ShardReader

pytestmark = pytest.mark.slow


def test_the_shards_hold_them_and_say_so(tmp_path: Path, capsys) -> None:
    tokenizer = train("llama3", SEVERAL_SCRIPTS, 400)
    (tmp_path / "tokenizer.json").write_text(tokenizer.to_str())
    texts = [f"document {i} says {END} and goes on" for i in range(40)]
    (tmp_path / "data" / "c4").mkdir(parents=True)
    with gzip.open(tmp_path / "data" / "c4" / "x.json.gz", "wt") as file:
        for i, text in enumerate(texts):
            line = {"text": text, "url": f"https://e.org/{i}", "timestamp": "2020"}
            file.write(json.dumps(line) + "\n")
    out = tmp_path / "out"
    tokens = {"model": str(tmp_path / "tokenizer.json"), "bos": False, "eos": True,
              "special_tokens_in_text": "encode"}  # fmt: skip
    settings = [f"data={tmp_path / 'data'}", f"tokenizer={json.dumps(tokens)}"]
    given = ["--sources", "c4", "--no_report", *(o for one in settings for o in ("--set", one))]
    assert run_demo(out, *given) == 0
    assert main(["verify", str(out)]) == 0
    tokenizer.encode_special_tokens = False
    end = tokenizer.token_to_id(END)
    reader = ShardReader(out / "shards" / "c4" / "train-00000")
    found = {tuple(reader[number].tolist()) for number in range(len(reader))}
    assert len(found) > len(texts) / 2  # the rest is held out
    assert found <= {(*tokenizer.encode(text).ids, end) for text in texts}
    assert {row.count(end) for row in found} == {2}
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["tokenizer"]["special_tokens_in_text"] == "encode"
    capsys.readouterr()
    again = ["retokenize", str(out), "--tokenizer", manifest["tokenizer"]["model"]]
    assert main([*again, "--no_bos", "--output", str(tmp_path / "again")]) == 2
    assert "special tokens that were spelt out in it are tokens" in capsys.readouterr().err
