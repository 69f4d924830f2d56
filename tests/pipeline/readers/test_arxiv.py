"""The reader of arXiv's sources: archives of any kind, papers in reading order."""

from __future__ import annotations

import gzip
import io
import json
import re
import tarfile
import zipfile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.readers.arxiv import read_arxiv
from pipeline.readers.paper import decoded
from tests.support.reader_samples import tar_of

LIMITS: dict[str, Any] = {
    "start": 0,
    "end": None,
    "batch_bytes": 1 << 20,
    "max_record_bytes": 1 << 23,
    "max_unpacked_bytes": 1 << 25,
    "max_members": 2_000,
    "max_text_bytes": 1 << 23,
}
MAIN = "\\documentclass{article}\n\\begin{document}\n\\section{A}\n%s\n\\end{document}\n"


class _Unseekable(io.BytesIO):
    def seekable(self) -> bool:
        return False

    def seek(self, *_: int) -> int:
        raise io.UnsupportedOperation


def rows_of(data: bytes, name: str = "arxiv/f.tar.gz", **changes: Any) -> list[dict[str, Any]]:
    rows = []
    for batch in read_arxiv(_Unseekable(data), name, **(LIMITS | changes)):
        batch.validate(full=True)
        rows += batch.to_pylist()
    return rows


def paper_of(files: dict[str, str | bytes]) -> dict[str, Any]:
    content = {k: v.encode() if isinstance(v, str) else v for k, v in files.items()}
    (row,) = rows_of(gzip.compress(tar_of(content)))
    return row


def metadata(row: dict[str, Any]) -> dict[str, Any]:
    fields = json.loads(row["metadata"])
    assert isinstance(fields, dict)
    return fields


def test_bulk_file_holds_papers_of_every_form() -> None:
    tex = (MAIN % "x").encode()
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("p.tex", tex)
    bulk = tar_of(
        {
            "2401/2401.00001.gz": gzip.compress(tar_of({"p.tex": tex})),
            "2401/2401.00002.gz": gzip.compress(tex),
            "2401/2401.00003.pdf": b"%PDF-1.5",
            "2401/astro-ph0001001.gz": zipped.getvalue(),
            "2401/2401.00005.gz": gzip.compress(b"%auto-ignore\nwithdrawn"),
            "2401/2401.00006.gz": gzip.compress(b"%!PS-Adobe"),
            "2401/2401.00002.tar.gz": gzip.compress(tex),
        }
    )
    rows = rows_of(bulk, "arxiv/b.tar")
    found = [(row["id"].removeprefix("arxiv/b.tar#"), row["dropped_by"]) for row in rows]
    assert found == [
        ("2401.00001", None),
        ("2401.00002", None),
        ("2401.00003", "pdf_only"),
        ("astro-ph0001001", None),
        ("2401.00005", "withdrawn"),
        ("2401.00006", "no_main_file"),
        ("2401.00002!2", None),
    ]
    assert {row["text"] for row in rows if not row["dropped_by"]} == {tex.decode()}
    assert metadata(rows[0]) == {"arxiv_id": "2401.00001", "main_file": "p.tex", "file_count": 1}
    assert metadata(rows[3])["arxiv_id"] == "astro-ph/0001001"
    assert rows[0]["url"] == "https://arxiv.org/abs/2401.00001"


def test_files_come_in_reading_order() -> None:
    row = paper_of(
        {
            "b.tex": "B\n\\input{sub/c}\nB2 % end",
            "sub/c.tex": "C",
            "ms.tex": MAIN
            % "\\input a\n%\\input{dead}\n\\verb|\\input{dead}|\n\\iffalse\\input{dead}\\fi\n"
            "\\include{b}\\subfile{s}\\import{sub/}{d}\n"
            '\\input{"q q"}\\input{gone}\n\\bibliography{r}',
            "a.tex": "A\n\\endinput\ndead",
            "dead.tex": "DEAD",
            "s.tex": "\\documentclass[ms]{subfiles}\n\\begin{document}\nS\n\\end{document}\n",
            "sub/d.tex": "D \\input{e}",
            "sub/e.tex": "E",
            "q q.tex": "Q",
            "ms.bbl": "\\begin{thebibliography}{1}\\bibitem{x} X\n\\end{thebibliography}",
        }
    )
    assert metadata(row) == {"main_file": "ms.tex", "file_count": 9, "missing_inputs": 1}
    text = row["text"]
    assert "DEAD" not in text and "\ndead" not in text
    words = re.findall(r"^(?:A|B|C|B2|S|D|E|Q)\b|E$|\\bibliography|\\bibitem", text, re.MULTILINE)
    assert words == ["A", "B", "C", "B2", "S", "D", "E", "Q", "\\bibliography", "\\bibitem"]
    assert "B2 % end\n" in text


def test_macros_of_file_names_and_of_input() -> None:
    row = paper_of(
        {
            "main.tex": MAIN
            % "\\newcommand{\\dir}{parts}\\newcommand{\\part}[1]{\\input{\\dir/#1}}\n"
            "\\input{\\dir/a}\n\\part{b}",
            "parts/a.tex": "AAA",
            "parts/b.tex": "BBB",
        }
    )
    assert row["text"].index("AAA") < row["text"].index("BBB")


def test_loops_end_and_nothing_outside_is_read() -> None:
    row = paper_of(
        {
            "m.tex": MAIN % "\\input{a}\\input{../../etc/passwd}\\input{/etc/passwd}",
            "a.tex": "A\\input{b}",
            "b.tex": "B\\input{a}\\input{m}",
        }
    )
    assert row["text"].count("A") == row["text"].count("B") + 1  # of the section's heading
    assert metadata(row) == {"main_file": "m.tex", "file_count": 3, "missing_inputs": 4}


def test_files_that_multiply_are_refused() -> None:
    files: dict[str, str | bytes] = {"m.tex": MAIN % "\\input{f0}"}
    files |= {f"f{i}.tex": f"\\input{{f{i + 1}}}" * 9 for i in range(20)}
    files["f20.tex"] = "x" * 1_000
    assert paper_of(files)["dropped_by"] == "record_too_large"


@pytest.mark.parametrize(
    ("files", "main"),
    [
        ({"a.tex": "x", "00README.XXX": "a.tex toplevelfile\n", "z.tex": "x" * 99}, "a.tex"),
        (
            {
                "a.tex": "x",
                "00README.json": '{"sources":[{"filename":"a.tex","usage":"toplevel"}]}',
                "z.tex": "x" * 99,
            },
            "a.tex",
        ),
        ({"a.tex": "x", "z.tex": "x" * 99, "a.bbl": ""}, "a.tex"),
        ({"paper.tex": "x", "supplement.tex": "x" * 99}, "paper.tex"),
        ({"paper.tex": "x" * 60, "other.tex": "x" * 99}, "paper.tex"),
        ({"a.tex": "x", "old/a.tex": "x" * 99}, "a.tex"),
        ({"chapter.tex": "x" * 99, "all.tex": "\\input{chapter}"}, "all.tex"),
        ({"sub/only.tex": "x"}, "sub/only.tex"),
    ],
)
def test_main_file(files: dict[str, str], main: str) -> None:
    contents: dict[str, str | bytes] = {
        name: MAIN % text if name.endswith(".tex") else text for name, text in files.items()
    }
    assert metadata(paper_of(contents))["main_file"] == main


def test_each_file_is_decoded_on_its_own() -> None:
    row = paper_of(
        {
            "m.tex": MAIN % "é\\input{a}\\input{b}\\input{c}",
            "a.tex": "Schrödinger\r\n".encode("latin-1"),
            "b.tex": b"\x93quoted\x94",
            "c.tex": "Ω".encode("utf-16"),
        }
    )
    assert all(word in row["text"] for word in ("é", "Schrödinger\n", "“quoted”", "Ω"))
    assert decoded(b"\x81\xe9") == "\x81é"


def test_pdf_wrapped_in_latex_is_no_text() -> None:
    body = "\\includepdf[pages=1-last]{paper.pdf}"
    wrapper = f"\\documentclass{{article}}\\begin{{document}}\n{body}\n\\end{{document}}"
    assert paper_of({"m.tex": wrapper, "paper.pdf": b"%PDF"})["dropped_by"] == "pdf_only"
    assert paper_of({"m.tex": wrapper.replace(body, body + "Text.")})["dropped_by"] is None


@pytest.mark.parametrize("name", ["../x.tex", "/etc/x.tex", "a/../../x", "..", "C:\\x.tex"])
def test_paths_that_climb_are_refused(name: str) -> None:
    files: dict[str, str | bytes] = {"m.tex": MAIN % "x", name: "x"}
    assert paper_of(files)["dropped_by"] == "hostile_archive"
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr(name, "x")
    assert rows_of(zipped.getvalue())[0]["dropped_by"] == "hostile_archive"


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_are_refused(kind: bytes) -> None:
    hostile = tar_of({"m.tex": b""}, type=kind, linkname="/etc/passwd")
    (row,) = rows_of(gzip.compress(hostile))
    assert row["dropped_by"] == "hostile_archive"
    good = tar_of({"2401.00001.gz": gzip.compress((MAIN % "x").encode())})
    rows = rows_of(hostile[:512] + good)
    assert [row["dropped_by"] for row in rows] == ["hostile_archive", None]


def test_bombs_are_refused() -> None:
    zeros = bytes(1 << 26)
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("m.tex", zeros)
    for bomb in (
        gzip.compress(zeros),
        gzip.compress(tar_of({"m.tex": zeros})),
        gzip.compress(tar_of({"m.eps": zeros})),
        zipped.getvalue(),
        gzip.compress(tar_of({f"{i}.tex": b"" for i in range(2_001)})),
    ):
        (row,) = rows_of(bomb)
        assert row["dropped_by"] == "archive_too_large", metadata(row)
    (row,) = rows_of(bytes(9 << 20))
    assert row["dropped_by"] == "record_too_large"


def test_damage_in_a_bulk_file_costs_one_paper() -> None:
    good = gzip.compress((MAIN % "x").encode())
    bulk = bytearray(tar_of({f"2401.0000{i}.gz": good for i in range(4)}))
    bulk[1024 + 3] ^= 255  # the name in the second header
    rows = rows_of(bytes(bulk))
    assert [row["dropped_by"] for row in rows] == [None, "damaged", None, None]
    assert metadata(rows[1])["skipped_bytes"] == 1024
    cut = rows_of(bytes(bulk[: 3 * 1024 + 520]))
    assert [row["dropped_by"] for row in cut] == [None, "damaged", None, "damaged", "damaged"]
    (row,) = rows_of(gzip.compress(tar_of({"a.tex": b"x" * 9_000}))[:-30])
    assert row["dropped_by"] == "damaged"


def test_long_names_are_read() -> None:
    name = "/".join(["folder" * 10] * 4) + "/paper.tex"
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=form) as archive:
            short = name if form != tarfile.USTAR_FORMAT else name[-150:].lstrip("/")
            member = tarfile.TarInfo(short)
            member.size = len(MAIN)
            archive.addfile(member, io.BytesIO(MAIN.encode()))
        (row,) = rows_of(gzip.compress(out.getvalue()))
        assert metadata(row)["main_file"] == short


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 6_000), st.integers(0, 60))
def test_any_bytes_give_rows(noise: bytes, at: int, cut: int) -> None:
    good = gzip.compress(tar_of({"m.tex": (MAIN % "x").encode(), "n.tex": b"y"}))
    bulk = tar_of({"2401.00001.gz": good, "2401.00002.gz": good})
    at %= len(bulk)
    changed = bulk[:at] + noise + bulk[at + cut :]
    for data in (noise, changed, good[: at % len(good)] + noise, b"PK\x03\x04" + noise):
        rows = rows_of(data, max_unpacked_bytes=1 << 16)
        assert len({row["id"] for row in rows}) == len(rows)
        assert all(row["text"] or row["dropped_by"] for row in rows)
