"""Opening a corpus of many shards collects no garbage, whose cost grows with all that is kept."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.samples.corpora import write_corpus
from training.data.mixture import Mixture, Validation

N_SHARDS = 3000


@pytest.fixture
def collections() -> Iterator[list[int]]:
    """The generations of the collections since the test began."""
    found: list[int] = []

    def note(phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            found.append(info["generation"])

    gc.callbacks.append(note)
    yield found
    gc.callbacks.remove(note)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A corpus whose manifest lists one shard many times."""
    write_corpus(tmp_path, {"a": [[range(3, 40)]]}, {"a": 1.0}, 1000, {"a": [[range(3, 20)]]})
    path = tmp_path / "manifest.json"
    manifest = json.loads(path.read_bytes())
    manifest["shards"] *= N_SHARDS
    path.write_text(json.dumps(manifest))
    return tmp_path


def test_nothing_is_collected_while_a_corpus_is_opened(
    corpus: Path, collections: list[int]
) -> None:
    gc.collect()
    collections.clear()
    mixture = Mixture(corpus, sequence_length=8, seed=0)
    validation = Validation(corpus, sequence_length=8)
    # The youngest objects may be collected between the two, which costs nothing.
    assert not [generation for generation in collections if generation > 0]
    assert mixture.n_samples and validation.n_samples
    assert gc.isenabled()


def test_collection_is_on_again_after_an_error(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(ValueError, match="not a manifest"):
        Mixture(tmp_path, sequence_length=8, seed=0)
    assert gc.isenabled()
