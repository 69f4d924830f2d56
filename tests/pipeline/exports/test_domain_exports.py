"""Exports of sources with domains: a folder and a weight for each, to the token."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.commands.main import main
from pipeline.files.storage import json_bytes
from pipeline.output.layout import MANIFEST_NAME, mixture_name, sealed
from tests.support.samples.corpora import write_corpus
from tokenizer.shards import ShardReader

DOCUMENTS = {
    "web": [[range(1, 40), range(40, 90), []], [range(90, 100), range(100, 200), range(200, 203)]],
    "c4": [[range(300, 330)]],
}
NAMES = {"web": [["de/a", "en/..", "fr x"], ["de/a", "de/a", "en/.."]]}
SHARES = {"web": {"de/a": 0.75, "en/..": 0.25, "fr x": 0.0}}
EARLIER = {
    "proportion": 0.5,
    "domains": {
        "de/a": {"proportion": 0.2},
        "en/..": {"proportion": 0.8},
        "fr x": {"proportion": 0.0},
    },
}
EARLIER_FOLDERS = {"web/de/a": 0.1, "web/en/%2E.": 0.4, "web/fr%20x": 0.0, "c4": 0.5}
FOLDERS = {"web/de/a": 0.6, "web/en/%2E.": 0.2, "web/fr%20x": 0.0, "c4": 0.2}


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    write_corpus(folder, DOCUMENTS, {"web": 0.8, "c4": 0.2}, 1000, domains=NAMES,
                 domain_shares=SHARES)  # fmt: skip
    manifest = json.loads((folder / MANIFEST_NAME).read_text())
    web, c4 = manifest["sources"]["web"], manifest["sources"]["c4"]
    earlier = {"web": {**web, **EARLIER}, "c4": {**c4, "proportion": 0.5}}
    for name, sources in {"first": earlier, "newest": manifest["sources"]}.items():
        path = folder / mixture_name(name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(json_bytes(sealed({**manifest, "sources": sources})))
    return folder


def expected() -> dict[str, dict[str, list[list[int]]]]:
    """Return the documents of every folder and shard."""
    found: dict[str, dict[str, list[list[int]]]] = {"c4": {"train-00000": [[*range(300, 330)]]}}
    for number, (documents, names) in enumerate(zip(DOCUMENTS["web"], NAMES["web"], strict=True)):
        for document, name in zip(documents, names, strict=True):
            folder = {"de/a": "web/de/a", "en/..": "web/en/%2E.", "fr x": "web/fr%20x"}[name]
            shards = found.setdefault(folder, {})
            shards.setdefault(f"train-{number:05d}", []).append(list(document))
    return found


def exported(
    output: Path, to: Path, file_format: str, *more: str, folders: dict[str, float] = FOLDERS
) -> Path:
    assert main(["export", str(output), "--format", file_format, "--to", str(to), *more]) == 0
    described = json.loads((to / "export.json").read_text())["sources"]
    assert {name: one["proportion"] for name, one in described.items()} == pytest.approx(folders)
    for folder, shards in expected().items():
        documents = [document for shard in shards.values() for document in shard]
        assert described[folder]["documents"] == len(documents)
        assert described[folder]["tokens"] == sum(map(len, documents))
    return to


@pytest.mark.parametrize("more", [(), ("--copy",)])
def test_megatron_has_a_weight_for_each_domain(output, tmp_path, more) -> None:
    to = exported(output, tmp_path / "to", "megatron", *more)
    for folder, shards in expected().items():
        for shard, documents in shards.items():
            reader = ShardReader(to / folder / shard)
            assert [reader[i].tolist() for i in range(len(reader))] == documents
    weights = megatron_weights(to)
    assert weights == pytest.approx({name: share for name, share in FOLDERS.items() if share})


def megatron_weights(to: Path) -> dict[str, float]:
    """Return the weight of each folder in Megatron's arguments."""
    weights: dict[str, float] = {}
    for line in (to / "data_args.txt").read_text().splitlines():
        weight, path = line.split()
        assert Path(f"{path}.bin").exists()
        folder = Path(path).parent.relative_to(to).as_posix()
        weights[folder] = weights.get(folder, 0) + float(weight)
    return weights


@pytest.mark.parametrize("file_format", ["megatron", "olmo", "nanotron", "litdata", "mds"])
def test_a_named_mixture_gives_the_proportions(output, tmp_path, file_format) -> None:
    more = ["--tokenizer", "t"] if file_format == "nanotron" else []
    first = exported(output, tmp_path / "first", file_format, "--mixture", "first", *more,
                     folders=EARLIER_FOLDERS)  # fmt: skip
    newest = exported(output, tmp_path / "newest", file_format, "--mixture", "newest", *more)
    plain = exported(output, tmp_path / "plain", file_format, *more)
    described = [json.loads((to / "export.json").read_text()) for to in (first, newest, plain)]
    assert described[0]["corpus"] != described[1]["corpus"] == described[2]["corpus"]
    if file_format == "megatron":
        weights = {name: share for name, share in EARLIER_FOLDERS.items() if share}
        assert megatron_weights(first) == pytest.approx(weights)


def test_an_unknown_mixture_is_told_with_those_there_are(output, tmp_path, capsys) -> None:
    for name in ("second", "../manifest"):
        command = ["export", str(output), "--format", "olmo", "--to", str(tmp_path / "to")]
        assert main([*command, "--mixture", name]) == 2
        told = capsys.readouterr().err
        assert f"no mixture {name}; there are first, newest" in told and told.count("\n") == 1
    assert not (tmp_path / "to").exists()


def test_olmo_and_nanotron(output, tmp_path) -> None:
    olmo = exported(output, tmp_path / "olmo", "olmo")
    nanotron = exported(output, tmp_path / "nanotron", "nanotron", "--tokenizer", "t")
    for folder, shards in expected().items():
        for shard, documents in shards.items():
            flat = [token for document in documents for token in document]
            assert np.fromfile(olmo / folder / f"{shard}.npy", "<u2").tolist() == flat
            assert np.fromfile(nanotron / folder / f"{shard}.ds", "<u2").tolist() == flat
            ends = np.fromfile(nanotron / folder / f"{shard}.ds.index", "<u8").tolist()
            assert ends == np.cumsum([len(one) for one in documents if one]).tolist()
            with gzip.open(olmo / folder / f"{shard}.csv.gz", "rt") as file:
                rows = [[int(start), int(end), name, place, int(number)]
                        for start, end, name, place, number in csv.reader(file)]  # fmt: skip
            assert [flat[start:end] for start, end, *_ in rows] == documents
            for _, _, name, place, number in rows:
                assert place == f"{folder.split('/')[0]}/{shard}"
                assert name.endswith(f"train{int(shard[-1])}#{number}")


def test_litdata_and_mds(output, tmp_path) -> None:
    litdata = exported(output, tmp_path / "litdata", "litdata")
    mds = exported(output, tmp_path / "mds", "mds")
    single = exported(output, tmp_path / "single", "mds", "--sequence_length", "1")
    for folder, shards in expected().items():
        documents = [document for shard in shards.values() for document in shard]
        index = json.loads((mds / folder / "index.json").read_text())
        assert sum(shard["samples"] for shard in index["shards"]) == len(documents)
        chunks = json.loads((litdata / folder / "index.json").read_text())["chunks"]
        assert sum(chunk["chunk_size"] for chunk in chunks) == len(documents)
        n_tokens = sum(map(len, documents))
        assert sum(chunk["dim"] for chunk in chunks) == n_tokens
        index = json.loads((single / folder / "index.json").read_text())
        assert sum(shard["samples"] for shard in index["shards"]) == n_tokens
