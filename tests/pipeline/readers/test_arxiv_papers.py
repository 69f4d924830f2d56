"""The reader of arXiv's sources and the LaTeX steps, on real papers."""

from __future__ import annotations

import re
import tarfile
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipeline.readers.arxiv import read_arxiv
from transforms.latex.steps import cut_latex, expand_macros, remove_latex_comments

pytestmark = pytest.mark.slow

LIMITS: dict[str, Any] = {
    "start": 0,
    "end": None,
    "batch_bytes": 1 << 20,
    "max_record_bytes": 1 << 26,
    "max_unpacked_bytes": 1 << 28,
    "max_members": 2_000,
    "max_text_bytes": 1 << 23,
}


@cache
def _papers(folder: Path) -> dict[str, tuple[str, ...]]:
    """Read and clean all samples. Returns by name the text as read, and after each step."""
    papers: dict[str, tuple[str, ...]] = {}
    for path in sorted(folder.iterdir()):
        with path.open("rb") as stream:
            for batch in read_arxiv(
                stream,
                f"arxiv/{path.name}",
                **LIMITS,
            ):
                batches = [batch.filter(pc.is_null(batch["dropped_by"]))]
                batches.append(remove_latex_comments(batches[-1]))
                batches.append(expand_macros(batches[-1], max_expansions=10_000, max_growth=4.0))
                batches.append(_cut(batches[-1]))
                assert batches[-1]["dropped_by"].null_count == len(batches[-1])
                texts = zip(*(b["text"].to_pylist() for b in batches), strict=True)
                papers |= zip(batches[0]["id"].to_pylist(), texts, strict=True)
                for row in batch.filter(pc.is_valid(batch["dropped_by"])).to_pylist():
                    papers[row["id"]] = (row["dropped_by"],)
    return {name.split("#")[1]: texts for name, texts in papers.items()}


def _cut(batch: pa.RecordBatch) -> pa.RecordBatch:
    return cut_latex(batch, keep_title_and_abstract=False, drop_appendix=False)


@pytest.fixture
def papers(shared_data: Path) -> dict[str, tuple[str, ...]]:
    return _papers(shared_data / "arxiv")


def _without_verbatim(text: str) -> str:
    text = re.sub(r"(?s)\\begin\{(verbatim|lstlisting|minted)\*?\}.*?\\end\{\1\*?\}", "", text)
    text = re.sub(r"\\(?:verb|lstinline)\*?([|!+@/$~])[^\n]*?\1", "", text)
    return re.sub(r"\\(?:url|href|path)\{[^{}]*\}", "", text)


def test_every_real_submission_gives_a_paper_or_a_reason(
    papers: dict[str, tuple[str, ...]], shared_data: Path
) -> None:
    with tarfile.open(shared_data / "arxiv" / "arXiv_src_2401_001.tar") as bulk:
        members = [member.name for member in bulk if member.isfile()]
    assert len(members) == 37
    assert len(papers) == len(members) + 3
    dropped = {name: texts[0] for name, texts in papers.items() if len(texts) == 1}
    assert dropped == {"pdf-only-submission": "pdf_only"}
    assert all(len(texts[3]) > 6_000 for texts in papers.values() if len(texts) > 1)


def test_no_comment_is_left_in_real_papers(papers: dict[str, tuple[str, ...]]) -> None:
    for name, texts in papers.items():
        for text in texts[1:]:
            left = re.search(r"(?<!\\)(?:\\\\)*%.*", _without_verbatim(text))
            assert left is None, (name, left)


# These stay on purpose: redefined sections, whose markup is kept; and a macro that passes another
# one to TeX.
LEFT_ON_PURPOSE = {
    "dfm__celerite__paper": {"section", "subsection"},
    "semorrison__blob": {"mathclap"},
}
_DEFINED = re.compile(
    r"\\(?:(?:re|provide)?newcommand|renewcommand|providecommand|DeclareRobustCommand"
    r"|DeclareMathOperator|DeclarePairedDelimiter|[gex]?def"
    r"|(?:New|Renew|Provide|Declare)DocumentCommand)\s*\*?\s*\{?\s*\\([A-Za-z]+)"
)


def test_no_macro_of_the_papers_own_is_left(papers: dict[str, tuple[str, ...]]) -> None:
    found = 0
    for name, texts in papers.items():
        if len(texts) == 1:
            continue
        names = set(_DEFINED.findall(re.sub(r"(?<!\\)%.*", "", texts[0])))
        before = Counter(re.findall(r"\\([A-Za-z]+)", texts[1]))
        found += sum(before[word] for word in names)
        words = Counter(re.findall(r"\\([A-Za-z]+)", _without_verbatim(texts[3])))
        left = {word for word in names if words[word]}
        assert left == LEFT_ON_PURPOSE.get(name, set()), name
    assert found > 12_000


def test_bibliographies_of_real_papers_are_gone(papers: dict[str, tuple[str, ...]]) -> None:
    bibliography = re.compile(r"\\(?:bibitem|bibliography(?:style)?|begin\{thebibliography\})\b")
    had = 0
    for name, texts in papers.items():
        if len(texts) > 1:
            had += bool(bibliography.search(texts[0]))
            assert not bibliography.search(_without_verbatim(texts[3])), name
            assert "\\begin{document}" not in texts[3] and "\\documentclass" not in texts[3]
    assert had >= 30


@pytest.mark.parametrize(
    ("name", "sections"),
    [
        (
            "lexingxie__Transform-and-Tell---latex__arxiv",
            ["Introduction", "Related Works", "The Transform and Tell Model"],
        ),
        ("sympy__sympy-paper", ["Introduction", "Overview of Capabilities"]),
        ("RuthAngus__stardate__paper", ["Introduction", "Method", "Results"]),
        ("dorisjlee__ZV-paper__arxiv", ["Introduction", "Related Work"]),
    ],
)
def test_sections_of_papers_of_many_files_stand_in_reading_order(
    papers: dict[str, tuple[str, ...]], name: str, sections: list[str]
) -> None:
    found = re.findall(r"\\section\*?\{([^{}\\]*)", papers[name][3])
    assert [title.strip() for title in found[: len(sections)]] == sections
