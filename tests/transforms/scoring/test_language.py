"""Labels and scores, compared with the package fasttext, a text at a time."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fasttext
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.plain import web_path as plain
from transforms.documents import FilePath, documents, with_column
from transforms.scoring.fasttext_model import read_model
from transforms.scoring.fasttext_predict import BatchClassifier, PackageClassifier, load_classifier
from transforms.scoring.language import classify, classify_top, identify_language, keep_languages

fasttext.FastText.eprint = lambda *_: None

# Characters on which the splitting into words depends, mixed more often than by chance.
WILD = st.lists(
    st.one_of(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
        st.sampled_from([" ", "\n", "\t", "\v", "\f", "\r", "\0", "the", "a", "é", "漢字", "\x85"]),
        st.sampled_from(["</s>", " </s> ", "__label__en", "__label__", "_" * 40, "ж" * 30]),
    ),
    max_size=12,
).map("".join)


@pytest.fixture(scope="module")
def lid(shared_models: Path) -> FilePath:
    return FilePath(str(shared_models / "lid.176.ftz"))


@pytest.fixture(scope="module")
def lid_model(lid: FilePath) -> Any:
    return fasttext.load_model(lid)


def assert_same(path: FilePath, package: Any, texts: list[str]) -> None:
    ids = [str(i) for i in range(len(texts))]
    made = identify_language(documents(ids, texts), model=path, languages=[], min_score=0.0)
    assert made["dropped_by"].null_count == len(texts)
    expected = [plain.language(package, text) for text in texts]
    assert made["language"].to_pylist() == [label for label, _ in expected]
    assert made["language_score"].to_pylist() == pytest.approx(
        [score for _, score in expected], abs=1e-6, rel=0
    )


@pytest.mark.slow
def test_wet_pages(shared_data: Path, lid: FilePath, lid_model: Any) -> None:
    files = sorted((shared_data / "commoncrawl" / "wet").glob("*.wet.gz"))
    pages = ["\n".join(p.lines) for file in files for p in plain.read_pages(file, "wet")]
    assert len(pages) > 2_000
    assert_same(lid, lid_model, pages)


@pytest.mark.slow
def test_universal_declaration(shared_data: Path, lid: FilePath, lid_model: Any) -> None:
    """The texts are whole declarations and their lines, in 389 languages and dialects."""
    texts = []
    with zipfile.ZipFile(shared_data / "lid_eval" / "udhr2.zip") as archive:
        for name in archive.namelist():
            if not name.endswith("/"):
                texts.append(archive.read(name).decode("utf-8", "replace"))
    assert len(texts) > 380
    assert_same(lid, lid_model, texts)
    assert_same(lid, lid_model, [line for text in texts for line in text.split("\n")][::4])


@settings(deadline=None)  # the kernel is compiled at its first call
@given(texts=st.lists(WILD, max_size=5))
def test_any_text(texts: list[str], lid: FilePath, lid_model: Any) -> None:
    assert_same(lid, lid_model, texts)


def test_texts_by_hand(lid: FilePath, lid_model: Any) -> None:
    texts = ["", "\0", "\n\n", "</s>", "the </s> der die das", "__label__en", "a" * 100_000]
    texts += ["x" * n for n in range(1, 70)] + ["the\nend", "naïve " * 50]
    assert_same(lid, lid_model, texts)


def test_words_that_oust_each_other(
    lid: FilePath, lid_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier = load_classifier(lid)
    assert isinstance(classifier, BatchClassifier)
    monkeypatch.setattr(classifier, "_caches", [np.zeros((2, 16), np.uint64)])
    assert_same(
        lid, lid_model, ["one two three two one", "uno due tre due uno", "one two three"] * 3
    )


def test_rows_are_decoded_as_the_package_does(lid: FilePath, lid_model: Any) -> None:
    rows = read_model(lid).input_rows
    for row in range(0, len(rows), 500):
        np.testing.assert_array_equal(rows[row], lid_model.get_input_vector(row))


def test_drops(lid: FilePath) -> None:
    texts = [
        "The quick brown fox jumps over the lazy dog and runs into the woods.",
        "Der schnelle braune Fuchs springt über den faulen Hund in den Wald.",
        "x1",
    ]
    batch = documents(["a", "b", "c"], texts)
    made = identify_language(batch, model=lid, languages=["en", "la"], min_score=0.6)
    assert made["language"].to_pylist()[:2] == ["en", "de"]
    assert made["dropped_by"].to_pylist() == [None, "other_language", "low_language_score"]
    made = identify_language(batch, model=lid, languages=[], min_score=0.6)
    assert made["dropped_by"].to_pylist() == [None, None, "low_language_score"]
    assert made["text"].to_pylist() == texts
    empty = identify_language(batch.slice(0, 0), model=lid, languages=["en"], min_score=0.6)
    assert empty.num_rows == 0


def test_other_files_are_refused(tmp_path: Path, lid: FilePath) -> None:
    no_model, broken = tmp_path / "no.bin", tmp_path / "broken.ftz"
    no_model.write_bytes(b"not a model at all")
    broken.write_bytes(Path(lid).read_bytes()[:500_000])
    for path in (no_model, broken):
        with pytest.raises(ValueError, match=path.name):
            load_classifier(str(path))


TRAINING = [
    ("ref", "the river rises in the hills and flows north to the sea near the old town"),
    ("ref", "he was born in a village and studied law before he entered the parliament"),
    ("ref", "the species is found in forests where it feeds on insects and small seeds"),
    ("web", "buy cheap shoes online now with free shipping and best price guarantee"),
    ("web", "click here to subscribe to our newsletter and win a free prize today"),
    ("other", "def main ( ) : return 0 if x else 1"),
]


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., FilePath]:
    folder = tmp_path_factory.mktemp("classifiers")
    lines = [f"__label__{label} {text}\n" for label, text in TRAINING * 200]
    (folder / "train.txt").write_text("".join(lines))

    def train(name: str, *, is_quantised: bool = False, **options: Any) -> FilePath:
        path = folder / name
        # Each fastText thread sets a tenth of the first weights; fewer threads leave some unset.
        model = fasttext.train_supervised(
            str(folder / "train.txt"), verbose=0, thread=12, epoch=5, **options
        )
        if is_quantised:
            model.quantize(str(folder / "train.txt"), cutoff=300, qnorm=True)
        model.save_model(str(path))
        return FilePath(str(path))

    return train


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"loss": "softmax"}, BatchClassifier),
        ({"loss": "softmax", "minn": 1, "maxn": 3, "bucket": 1000, "dim": 7}, BatchClassifier),
        ({"loss": "hs", "minn": 3, "maxn": 6, "bucket": 5000, "dim": 20}, BatchClassifier),
        (
            {
                "loss": "softmax",
                "minn": 2,
                "maxn": 4,
                "bucket": 900,
                "dim": 9,
                "is_quantised": True,
            },
            BatchClassifier,
        ),
        ({"loss": "ova"}, PackageClassifier),
        ({"loss": "ns"}, PackageClassifier),
        ({"loss": "softmax", "wordNgrams": 2, "bucket": 1000}, PackageClassifier),
    ],
)
def test_classifiers_of_every_kind(
    options: dict[str, Any], kind: type, train: Callable[..., FilePath]
) -> None:
    path = train("_".join(f"{k}-{v}" for k, v in options.items()) + ".bin", **options)
    assert isinstance(load_classifier(path), kind)
    package = fasttext.load_model(path)
    texts = [text for _, text in TRAINING]
    texts += [
        "the river buy cheap",
        "free\nprize",
        "",
        "日本語 </s> free",
        "__label__web sea",
        "a b",
    ]
    batch = documents(
        [str(i) for i in range(len(texts))], texts, metadata=['{"a": 1}'] * len(texts)
    )
    made = classify(batch, model=path, label="ref", min_probability=0.4)
    expected = []
    for text in texts:
        found = package.f.predict(text.replace("\n", " ") + "\n", -1, 0.0, "strict")
        expected.append({label: p for p, label in found}.get("__label__ref", 0.0))
    metadata = [json.loads(m) for m in made["metadata"].to_pylist()]
    assert [m["a"] for m in metadata] == [1] * len(texts)
    assert [m["class_probability"] for m in metadata] == pytest.approx(expected, abs=1e-6, rel=0)
    assert made["dropped_by"].to_pylist() == [
        "low_class_probability" if p < 0.4 else None for p in expected
    ]
    assert 0 < made["dropped_by"].null_count < len(texts)
    both = classify(made, model=path, label="web", as_="web")  # drops none, and leaves the first
    assert both["dropped_by"].equals(made["dropped_by"])
    for before, after in zip(metadata, both["metadata"].to_pylist(), strict=True):
        fields = json.loads(after)
        assert fields.pop("web") >= 0
        assert fields == before


def test_the_best_part_by_the_percentiles_of_a_card(
    train: Callable[..., FilePath], tmp_path: Path
) -> None:
    path, card = train("top.bin", lr=0.5), tmp_path / "top.bin.card.json"
    batch = documents([str(i) for i in range(len(TRAINING))], [text for _, text in TRAINING])
    classifier = load_classifier(path)
    column = classifier.labels.index("ref")
    scores = classifier.probabilities(batch["text"], delete_newlines=False)[:, column]
    percentiles = np.percentile(scores, np.arange(101)).tolist()
    card.write_text(json.dumps({"scores": {"random_page_percentiles": {"ref": percentiles}}}))

    def kept(fraction: float) -> list[int]:
        made = classify_top(
            batch, model=path, label="ref", card=FilePath(str(card)), keep_fraction=fraction
        )
        return np.flatnonzero(made["dropped_by"].is_null()).tolist()

    best = np.argsort(-scores).tolist()
    assert kept(1.0) == sorted(best)
    assert kept(0.5) == sorted(best[:3])
    assert kept(0.01) == best[:1]
    with pytest.raises(ValueError, match="keep_fraction"):
        kept(10)
    card.write_text("{}")
    with pytest.raises(ValueError, match="no percentiles of the label 'web'"):
        classify_top(batch, model=path, label="web", card=FilePath(str(card)), keep_fraction=0.1)


def test_documents_of_other_languages_go() -> None:
    batch = with_column(documents(list("abc"), ["x"] * 3), "language", ["en", "de", None])
    found = keep_languages(batch, languages=["en", "fr"])
    assert found["dropped_by"].to_pylist() == [None, "other_language", None]


def test_unknown_label(train: Callable[..., FilePath]) -> None:
    path = train("small.bin", dim=3)
    with pytest.raises(ValueError, match="ref, web"):
        classify(documents(["a"], ["b"]), model=path, label="spam", min_probability=0.5)


def test_word_vectors_are_no_classifier(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("the cat sat on the mat\n" * 20)
    model = fasttext.train_unsupervised(
        str(tmp_path / "text"), dim=2, minCount=1, bucket=10, epoch=1, verbose=0, thread=12
    )
    model.save_model(str(tmp_path / "vectors.bin"))
    with pytest.raises(ValueError, match="not a classifier"):
        load_classifier(str(tmp_path / "vectors.bin"))
