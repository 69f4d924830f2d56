"""Personal data, compared with regular expressions, on real pages, drawn text and by hand."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.plain import personal_data as plain
from tests.support.samples.web_samples import web_batches
from transforms.documents import documents
from transforms.privacy.personal_data import scrub_personal_data

PLACEHOLDERS = {
    "email": ["email@example.com", "firstname.lastname@example.org"],
    "ip": ["22.214.171.124", "126.96.36.199", "188.8.131.52"],
    "phone": ["<phone>"],
}

PIECES = st.sampled_from(
    [
        *("joe", "J.D.", "a_b%c+d-e", "..", "@", "@mail.example.com", "@web.de", "@x.y-z.co.uk"),
        *("@a.b1", "@-a.de", "@a-.de", ".", "-", "_", " ", "\n", ":", "::", "(", ")", "/", ","),
        *("8.8.8.8", "93.184.216.34", "5.165.17.247", "10.0.0.1", "256.1.99.99", "01.2.99.99"),
        *("2001:4860:4860::8888", "2a02:", "3fff:", "2001:db8::1", "abcd", "12345", "f", "0"),
        *(
            "+49",
            "+1",
            "(0)",
            "212",
            "736",
            "5000",
            "(212)",
            "555",
            "0199",
            "000",
            "1-",
            "1 ",
            "30",
        ),
        *("22.214.171.124", "<phone>", "email@example.com", "é", "邮", "v", "x" * 60),
    ]
)
WILD = st.lists(st.one_of(PIECES, st.characters(exclude_categories=["Cs"])), max_size=14)


def by_kernel(
    texts: list[str], placeholders: dict[str, list[str]]
) -> list[tuple[str, dict[str, int]]]:
    batch = documents([str(i) for i in range(len(texts) + 1)], ["before", *texts])[1:]
    return rows_of(batch, placeholders)


def rows_of(
    batch: pa.RecordBatch, placeholders: dict[str, list[str]]
) -> list[tuple[str, dict[str, int]]]:
    after = scrub_personal_data(
        batch, **{f"{kind}_placeholders": texts for kind, texts in placeholders.items()}
    )
    counts = [json.loads(m or "{}").get("personal_data", {}) for m in after["metadata"].to_pylist()]
    return list(zip(after["text"].to_pylist(), counts, strict=True))


def scrubbed(text: str) -> str:
    ((after, _),) = by_kernel([text], PLACEHOLDERS)
    return after


@pytest.mark.slow
def test_real_pages(shared_data: Path) -> None:
    totals = dict.fromkeys(PLACEHOLDERS, 0)
    for batch in web_batches(shared_data):
        expected = [plain.scrub(text, PLACEHOLDERS) for text in batch["text"].to_pylist()]
        assert rows_of(batch, PLACEHOLDERS) == expected
        for _, counts in expected:
            for kind, n in counts.items():
                totals[kind] += n
    assert min(totals.values()) > 5


@pytest.mark.slow
@settings(deadline=None)  # the first call compiles the kernel
@given(st.lists(WILD.map("".join), max_size=3), st.sets(st.sampled_from(sorted(PLACEHOLDERS))))
def test_wild_text(texts: list[str], kinds: set[str]) -> None:
    placeholders = {kind: PLACEHOLDERS[kind] if kind in kinds else [] for kind in PLACEHOLDERS}
    found = by_kernel(texts, placeholders)
    assert found == [plain.scrub(text, placeholders) for text in texts]


@given(st.integers(0, 2**32 - 1))
def test_any_ipv4_address(number: int) -> None:
    address = str(ipaddress.IPv4Address(number))
    after, counts = plain.scrub(address, PLACEHOLDERS)
    assert by_kernel([address], PLACEHOLDERS) == [(after, counts)]


@given(st.integers(0, 2**125 - 1), st.booleans())
def test_any_ipv6_address(number: int, exploded: bool) -> None:
    address = ipaddress.IPv6Address(number | 1 << 125)
    text = address.exploded if exploded else address.compressed
    assert by_kernel([text], PLACEHOLDERS) == [plain.scrub(text, PLACEHOLDERS)]


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("Write to Joe.Bloggs+news@mail.web.de.", "Write to email@example.com."),
        ("mailto:joe@web.de?subject=x", "mailto:email@example.com?subject=x"),
        ("信箱joe@web.de电话", "信箱email@example.com电话"),
        (
            "a@x.com/b@y.com/c@z.com",
            "email@example.com/firstname.lastname@example.org/email@example.com",
        ),
        ("Your IP: 93.184.216.34, and 8.8.4.4", "Your IP: 22.214.171.124, and 8.8.4.4"),
        ("http://93.184.216.34:80/", "http://22.214.171.124:80/"),
        ("see 2a00:1450:4001:82a::200e: it answers", "see 22.214.171.124: it answers"),
        ("[2a00:1450:4001:82a:0:0:0:200e]", "[22.214.171.124]"),
        ("Tel. +49 (0)40 / 49 07 11 0, Fax", "Tel. <phone> 0, Fax"),
        ("+44 20 7946 0958 or +1-415-325-5166", "<phone> or <phone>"),
        ("(323) 934-3936, 800.664.9638, 1-800-800-1504", "<phone>, <phone>, <phone>"),
        ("QuoteCall (888) 511-8416", "QuoteCall <phone>"),
        ("to jane@xn--e1afmkfd.xn--p1ai, now", "to email@example.com, now"),
        ("joe@web.XN--VERMGENSBERATER-CTB.", "email@example.com."),
        ("call +33 (0)1 44 55 66 77", "call <phone>"),
        ("+41(0)44 668 18 01, +33(0) 1.44.55.66.77", "<phone>, <phone>"),
    ],
)
def test_what_goes(text: str, after: str) -> None:
    assert scrubbed(text) == after


@pytest.mark.parametrize(
    "text",
    [
        "joe@localhost, @joe, joe@ home, a@b.c1, joe..bloggs@web.de is two, joe.@web.de",
        "someone@example.com, someone@mail.EXAMPLE.org, a@b.test",
        "ColdFusion 5.3.6.61, v93.184.216.34, 93.184.216.34.5, 93.184.216.256, 093.184.216.34",
        "10.10.1.10, 127.0.0.1, 192.168.255.254, 172.16.254.1, 198.51.100.32, 224.99.99.99",
        "2001:db8::85a3:1, fe80::85a3:1, 2019:09:30, 2001::85a3:1, 20:15:30, std::vector, 2a00::1",
        "+10 000 000, +25 000 000, +1 234, 5+49 30 1234567, +1 012 345 6789",
        "(555) 123-456, 123-456-7890, 212-555-0123, +1 212 555 0123, 2020-212-555-1234",
        "212.736-5000, 212-736-50001, 978-212-736-5000",
        "joe@web.x-n1, joe@web.yn--p1ai, joe@web.xn--p1ai.c1",
        "+33 (0) 12 34, +33 1 (0)1 4 5, +33 1 4 5 6 7 8 9 0",
    ],
)
def test_what_stays(text: str) -> None:
    assert scrubbed(text) == text


def test_scrubbing_twice_is_scrubbing_once() -> None:
    once = scrubbed("joe@web.de 93.184.216.34 5.165.17.247 217.114.230.27 +44 20 7946 0958")
    assert once == "email@example.com 22.214.171.124 126.96.36.199 188.8.131.52 <phone>"
    assert scrubbed(once) == once


def test_metadata_counts_what_was_replaced() -> None:
    batch = documents(
        ["a", "b"],
        ["joe@web.de, ann@web.de, (323) 934-3936", "nothing"],
        metadata=['{"x": 1}', None],
    )
    after = scrub_personal_data(
        batch, email_placeholders=["E"], ip_placeholders=[], phone_placeholders=["P"]
    )
    assert after["text"].to_pylist() == ["E, E, P", "nothing"]
    metadata = after["metadata"].to_pylist()
    assert json.loads(metadata[0]) == {"x": 1, "personal_data": {"email": 2, "phone": 1}}
    assert metadata[1] is None


def test_a_batch_without_any_is_the_same_memory() -> None:
    batch = documents(["a"], ["nothing of the kind at 10.0.0.1"])
    after = scrub_personal_data(
        batch, email_placeholders=["E"], ip_placeholders=["I"], phone_placeholders=["P"]
    )
    assert after["text"].buffers()[2].address == batch["text"].buffers()[2].address


def test_many_in_one_text() -> None:
    text = " ".join(f"a{i}@web.de" for i in range(1_000))
    ((after, counts),) = by_kernel([text], {"email": ["E"], "ip": [], "phone": []})
    assert after.split(" ") == ["E"] * 1_000
    assert counts == {"email": 1_000}


def test_special_ipv4_networks_are_those_of_the_registry() -> None:
    rng = np.random.default_rng(0)
    addresses = [str(ipaddress.IPv4Address(int(n))) for n in rng.integers(0, 2**32, 20_000)]
    found = by_kernel(addresses, PLACEHOLDERS)
    assert found == [plain.scrub(text, PLACEHOLDERS) for text in addresses]
