"""Lists of domains that are hashed as they stand: their sets are those of the entries' texts."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transforms.kernels.key_sets import key_set
from transforms.kernels.lines import document_keys
from transforms.web.domain_lists import read_domains
from transforms.web.text_lists import read_list
from transforms.web.urls import domains_of

PARTS = ["a", "b9", "-", "_", ".", "..", "#", "*", "//", "A", " ", "\t", "\r", "\x1f", "\0", ":80",
         "example.org", "xn--bcher-kva.example", "http://e.org/x", "\n", "\n", "\n"]  # fmt: skip


def compared(path: Path) -> list[int]:
    keys, others = read_domains(str(path))
    return sorted([*keys.tolist(), *document_keys(domains_of(others).drop_null()).tolist()])


def plain(path: Path) -> list[int]:
    return key_set(domains_of(read_list(str(path)))).tolist()


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=st.lists(st.sampled_from(PARTS), max_size=30).map("".join))
def test_wild_lists_hold_what_their_texts_hold(tmp_path: Path, text: str) -> None:
    path = tmp_path / "domains"
    path.write_bytes(text.encode())
    try:
        expected = plain(path)
    except ValueError as error:
        with pytest.raises(ValueError) as raised:
            read_domains(str(path))
        assert str(raised.value) == str(error)
    else:
        assert compared(path) == expected


@pytest.mark.parametrize(
    "data",
    ["bücher.example\nexample.org\n".encode(), b"\xef\xbb\xbfexample.org\n",
     gzip.compress(b"example.org\n*.e.org\n")],
    ids=["beyond ASCII", "mark", "gzip"],
)  # fmt: skip
def test_other_files_are_read_as_lists(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "domains").write_bytes(data)
    assert compared(tmp_path / "domains") == plain(tmp_path / "domains")


def test_plain_names_make_no_texts(tmp_path: Path) -> None:
    (tmp_path / "domains").write_text("# of today\n e.org \r\n_dmarc.e.org\n*.f.org\n-x.org\n")
    keys, others = read_domains(str(tmp_path / "domains"))
    assert others.to_pylist() == ["*.f.org", "-x.org"] and np.unique(keys).size == 2
