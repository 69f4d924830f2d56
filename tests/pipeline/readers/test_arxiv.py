"""The reader of arXiv's sources: archives of any kind, and papers in reading order."""

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
from pipeline.readers.latex_encoding import decode_latex
from tests.support.samples.reader_samples import tar_of

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


_PREAMBLE = "\\documentclass[a4paper]{article}\n\\newcommand{\\x}{y}\n"
_FIGURE = "\\documentclass[tikz]{standalone}\n\\begin{document}\nFIGURE\n\\end{document}\n"
_BODY = "\\section{A}\nThe text of the paper.\n\\end{document}\n"


@pytest.mark.parametrize(
    "files",
    [
        {"main.tex": "\\input{pre}\n\\begin{document}\n" + _BODY, "pre.tex": _PREAMBLE},
        {"main.tex": "\\input pre \\input{go}\n" + _BODY, "pre.tex": _PREAMBLE, "go.tex": "%B"},
        {"main.tex": "\\input{head}\n" + _BODY, "head.tex": _PREAMBLE + "%B"},
        {
            "main.tex": "\\input{tex/all}\n" + _BODY,
            "tex/all.tex": "\\input{tex/pre}%B",
            "tex/pre.tex": _PREAMBLE,
        },
        {
            "main.tex": "\\input{pre}\n\\begin{document}\n\\input{fig}" + _BODY,
            "pre.tex": _PREAMBLE,
            "fig.tex": _FIGURE,
        },
        {
            "main.tex": "\\input{pre}\n\\begin{document}\n" + _BODY,
            "pre.tex": _PREAMBLE,
            "a.tex": _FIGURE + "x" * 900,
        },
        {
            "main.tex": _PREAMBLE + '\\begin{document}\n\\input "my part"\n' + _BODY,
            "my part.tex": '\\input{"the other".tex}',
            "the other.tex": "other",
            "a.tex": _PREAMBLE + "\\begin{document}\n.\n\\end{document}\n",
            "a.bbl": "",
        },
    ],
)
def test_main_file_is_found_after_splicing(files: dict[str, str]) -> None:
    begin = "\n\\begin{document}\n"
    row = paper_of({name: text.replace("%B", begin) for name, text in files.items()})
    assert metadata(row)["main_file"] == "main.tex"
    assert "missing_inputs" not in metadata(row)
    text = row["text"]
    assert text.index("\\documentclass") < text.index(begin) < text.index("The text of the paper")
    assert ("FIGURE" in text) == ("fig.tex" in files)
    assert ("other" in text) == ("the other.tex" in files)


def test_a_figure_alone_is_no_paper_beside_other_files() -> None:
    plain = "\\input amstex Plain text. \\bye"
    assert paper_of({"p.tex": plain, "f.tex": _FIGURE})["dropped_by"] == "no_main_file"
    assert paper_of({"f.tex": _FIGURE})["dropped_by"] is None


def _declares(options: str) -> str:
    return _PREAMBLE + f"\\usepackage[{options}]{{inputenc}}\n\\begin{{document}}\n"


@pytest.mark.parametrize(
    ("option", "codec", "word"),
    [
        ("koi8-r", "koi8-r", "Введение"),
        ("cp1251", "cp1251", "Введение"),
        ("iso88595", "iso8859-5", "Введение"),
        ("latin2", "iso8859-2", "žluťoučký"),
        ("applemac", "mac_roman", "l'été"),
        ("ansinew", "cp1252", "“œuvre”"),
        ("latin9", "iso8859-15", "cœur, 5 €"),
        ("utf8,latin5", "iso8859-9", "ığdır"),
    ],
)
def test_declared_encoding_holds_in_all_files(option: str, codec: str, word: str) -> None:
    row = paper_of(
        {
            "m.tex": (_declares(option) + f"{word}\n\\input{{a}}\n" + _BODY).encode(codec),
            "a.tex": f"a: {word}".encode(codec),
            "b.tex": "not read",
        }
    )
    assert row["text"].count(word) == 2
    assert "encoding_guessed" not in metadata(row)


def test_encoding_is_declared_elsewhere_or_changes() -> None:
    word = "теплопроводность"
    commented = "%\\usepackage[latin2]{inputenc}\n"
    switched = (
        (_declares("koi8-r") + commented + word).encode("koi8-r")
        + (f"\\inputencoding{{cp1251}} {word}\n\\input{{a}}").encode("cp1251")
        + (f"\\inputencoding {{cp866}}\\input{{b}}{word}\n" + _BODY).encode("cp866")
    )
    row = paper_of(
        {"m.tex": switched, "a.tex": word.encode("cp1251"), "b.tex": word.encode("cp866")}
    )
    assert row["text"].count(word) == 5
    package = {"my.sty": "\\RequirePackage[cp1251]{inputenc}"}
    main = _PREAMBLE + "\\usepackage{my}\\begin{document}\n" + word + _BODY
    assert word in paper_of({"m.tex": main.encode("cp1251"), **package})["text"]
    cjk = _PREAMBLE + "\\begin{document}\\begin{CJK*}{Bg5}{song}天氣好\\end{CJK*}" + _BODY
    assert "天氣好" in paper_of({"m.tex": cjk.encode("big5")})["text"]


def test_a_bad_byte_in_a_paper_costs_one_letter() -> None:
    text = (_declares("utf8") + "Müller, Café, BAD\n" + _BODY).encode()
    row = paper_of({"m.tex": text.replace(b"BAD", b"\xff")})
    assert "Müller, Café, \ufffd\n" in row["text"]
    assert "encoding_guessed" not in metadata(row)
    row = paper_of({"m.tex": (_PREAMBLE + "\\begin{document}é" + _BODY).encode("latin-1")})
    assert metadata(row)["encoding_guessed"] is True and "é" in row["text"]


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
    assert decode_latex(b"\x81\xe9").scan.text == "\x81é"


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


@pytest.mark.slow
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
