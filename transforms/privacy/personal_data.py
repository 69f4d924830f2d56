"""Replacement of e-mail addresses, IP addresses and phone numbers in texts by placeholders.

FineWeb (arXiv 2406.17557) replaces e-mail addresses and public IP addresses. Only certain cases are
replaced: a number that may be a version, a sum or a date stays. The patterns are in
``transforms.privacy.personal_data_patterns``.
"""

from __future__ import annotations

import json
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from transforms.documents import text_buffers, texts_from_buffers, with_column
from transforms.kernels.characters import has_at
from transforms.privacy.personal_data_patterns import (
    email_around,
    international_phone_end,
    ipv4_end,
    ipv6_end,
    is_word_byte,
    north_american_phone_end,
)

KINDS = ("email", "ip", "phone")
_EMAIL, _IP, _PHONE = range(3)


class _Placeholders(NamedTuple):
    """The placeholders of all kinds, as a string column's buffers.

    Kind ``k`` has the placeholders ``firsts[k]`` to ``firsts[k + 1]``.
    """

    data: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.int64]
    firsts: npt.NDArray[np.int64]


def scrub_personal_data(
    batch: pa.RecordBatch,
    *,
    email_placeholders: list[str],
    ip_placeholders: list[str],
    phone_placeholders: list[str],
) -> pa.RecordBatch:
    """Replace e-mail addresses, public IP addresses and phone numbers by placeholders.

    The placeholders of a kind are used in turn: the n-th item of a text takes the n-th, and after
    the last one the first again. A kind with an empty list is not replaced. Text that equals a
    placeholder stays, so scrubbing a text twice gives the same as once. The metadata of a changed
    document has the number of replacements of each kind, as ``personal_data``.
    """
    lists = (email_placeholders, ip_placeholders, phone_placeholders)
    placeholders = _Placeholders(
        *text_buffers(pa.array([text for texts in lists for text in texts], pa.string())),
        np.cumsum([0, *map(len, lists)]),
    )
    data, offsets = text_buffers(batch["text"])
    starts, ends, kinds, counts = _find(placeholders, data, offsets)
    if not len(starts):
        return batch
    used = _placeholder_of_each(placeholders, counts, kinds)
    lengths = np.diff(placeholders.offsets)[used]
    out = np.empty(offsets[-1] - offsets[0] + (lengths - ends + starts).sum(), np.uint8)
    out_offsets = _replace(placeholders, data, offsets, starts, ends, used, out)
    batch = with_column(batch, "text", texts_from_buffers(out, out_offsets))
    return with_column(batch, "metadata", _with_counts(batch["metadata"], counts))


def _with_counts(metadata: pa.Array, counts: npt.NDArray[np.int64]) -> list[str | None]:
    rows: list[str | None] = metadata.to_pylist()
    for row in np.flatnonzero(counts.sum(axis=1)).tolist():
        replaced = {
            kind: count for kind, count in zip(KINDS, counts[row].tolist(), strict=True) if count
        }
        rows[row] = json.dumps({**json.loads(rows[row] or "{}"), "personal_data": replaced})
    return rows


@njit(cache=True, nogil=True)
def _find(placeholders, data, offsets):  # type: ignore[no-untyped-def]
    """Return start, end and kind of every span to replace, and each text's counts by kind."""
    n_texts = offsets.size - 1
    counts = np.zeros((n_texts, 3), np.int64)
    spans = np.empty((64, 3), np.int64)
    at = 0
    wanted = placeholders.firsts[1:] > placeholders.firsts[:-1]
    for t in range(n_texts):
        i = offsets[t]
        end = offsets[t + 1]
        while i < end:
            email_start, email_end = end, end
            if wanted[_EMAIL]:
                email_start, email_end = _next_email(data, i, end)
            # Numbers are searched in the text between e-mail addresses.
            at, spans = _find_numbers(
                placeholders, wanted, data, i, email_start, spans, at, counts[t]
            )
            if email_start < email_end:
                at, spans = _add(
                    placeholders, data, email_start, email_end, _EMAIL, spans, at, counts[t]
                )
            i = email_end
    return spans[:at, 0], spans[:at, 1], spans[:at, 2], counts


@njit(cache=True, nogil=True)
def _next_email(data, start, end):  # type: ignore[no-untyped-def]
    """Return the edges of the first e-mail address of ``data[start:end]``, or ``end`` twice."""
    for i in range(start, end):
        if data[i] == 0x40:
            first, last = email_around(data, start, i, end)
            if first < last:
                return first, last
    return end, end


@njit(cache=True, nogil=True)
def _find_numbers(placeholders, wanted, data, start, end, spans, at, counts):  # type: ignore[no-untyped-def]
    """Add the IP addresses and phone numbers of ``data[start:end]`` to the spans."""
    i = start
    while i < end:
        byte = data[i]
        is_digit = 0x30 <= byte <= 0x39
        if not is_digit and byte != 0x2B and byte != 0x28:
            i += 1
            continue
        before = data[i - 1] if i > start else np.uint8(0x20)
        number_end = 0
        kind = _IP
        if wanted[_IP] and is_digit and not is_word_byte(before) and before != 0x2E:
            number_end = ipv4_end(data, i, end)
            if number_end == 0 and before != 0x3A:
                number_end = ipv6_end(data, i, end)
        if number_end == 0 and wanted[_PHONE]:
            kind = _PHONE
            if byte == 0x2B:
                if not is_word_byte(before) and before != 0x2B:
                    number_end = international_phone_end(data, i, end)
            elif byte == 0x28 or not (
                is_word_byte(before) or before == 0x2B or before == 0x2D or before == 0x2E
            ):
                number_end = north_american_phone_end(data, i, end)
        if number_end:
            at, spans = _add(placeholders, data, i, number_end, kind, spans, at, counts)
            i = number_end
        else:
            i += 1
            while is_digit and i < end and 0x30 <= data[i] <= 0x39:
                i += 1
    return at, spans


@njit(cache=True, nogil=True)
def _add(placeholders, data, start, end, kind, spans, at, counts):  # type: ignore[no-untyped-def]
    """Add a span, unless it is a placeholder itself; return the number of spans and the spans."""
    for number in range(placeholders.firsts[kind], placeholders.firsts[kind + 1]):
        first, last = placeholders.offsets[number], placeholders.offsets[number + 1]
        if last - first == end - start and has_at(data, start, placeholders.data, first, last):
            return at, spans
    if at == spans.shape[0]:
        grown = np.empty((2 * at, 3), np.int64)
        grown[:at] = spans
        spans = grown
    spans[at, 0], spans[at, 1], spans[at, 2] = start, end, kind
    counts[kind] += 1
    return at + 1, spans


@njit(cache=True, nogil=True)
def _placeholder_of_each(placeholders, counts, kinds):  # type: ignore[no-untyped-def]
    """Return the placeholder of each span. Those of a kind are used in turn, anew in every text."""
    used = np.empty(kinds.size, np.int64)
    at = 0
    for t in range(counts.shape[0]):
        turns = np.zeros(3, np.int64)
        for _ in range(counts[t].sum()):
            kind = kinds[at]
            first = placeholders.firsts[kind]
            used[at] = first + turns[kind] % (placeholders.firsts[kind + 1] - first)
            turns[kind] += 1
            at += 1
    return used


@njit(cache=True, nogil=True)
def _replace(placeholders, data, offsets, starts, ends, used, out):  # type: ignore[no-untyped-def]
    """Write the texts with the spans replaced to ``out``; return the offsets of the texts there."""
    out_offsets = np.zeros(offsets.size, np.int64)
    at = 0
    span = 0
    for t in range(offsets.size - 1):
        i = offsets[t]
        while span < starts.size and starts[span] < offsets[t + 1]:
            out[at : at + starts[span] - i] = data[i : starts[span]]
            at += starts[span] - i
            first, last = placeholders.offsets[used[span]], placeholders.offsets[used[span] + 1]
            out[at : at + last - first] = placeholders.data[first:last]
            at += last - first
            i = ends[span]
            span += 1
        out[at : at + offsets[t + 1] - i] = data[i : offsets[t + 1]]
        at += offsets[t + 1] - i
        out_offsets[t + 1] = at
    return out_offsets
