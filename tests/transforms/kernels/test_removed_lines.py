"""Lines removed from texts, which the tests put together from lines."""

from __future__ import annotations

import pyarrow as pa
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from transforms.kernels.removed_lines import removed_lines


def listed(before: list[str], after: list[str], max_line_bytes: int = 300):
    """Return the removed lines as plain values, with their texts."""
    column = pa.array(before, pa.string())
    found = removed_lines(column, pa.array(after, pa.string()), max_line_bytes=max_line_bytes)
    data = b"".join(text.encode() for text in before)
    lines = [data[start:end].decode() for start, end in zip(found.starts, found.ends, strict=True)]
    return found.lines.tolist(), found.removed.tolist(), lines, found.keys.tolist()


def test_lines_taken_out_are_found():
    before = ["Home\nA story.\n  Share this \nThe end.", "kept\nwhole", "all\n\ngone", ""]
    after = ["A story.\nThe end.", "kept\nwhole", "", ""]
    lines, removed, texts, keys = listed(before, after)
    assert lines == [4, 2, 3, 1] and removed == [2, 0, 3, 0]
    assert texts == ["Home", "Share this", "all", "gone"]
    assert keys == [xxhash.xxh64_intdigest(text.encode()) for text in texts]


def test_lines_are_the_same_that_are_alike_up_to_where_they_are_cut():
    """Lines are cut between characters. The euro and rupee signs share their first two bytes."""
    before = ["abc€ and more\nabc₨ or less\nab", "éé"]
    _, removed, texts, keys = listed(before, ["", ""], max_line_bytes=5)
    assert removed == [3, 1] and texts == ["abc", "abc", "ab", "éé"]
    assert keys == [xxhash.xxh64_intdigest(text.encode()) for text in texts]
    assert listed(before, ["", ""], max_line_bytes=6)[2] == ["abc€", "abc₨", "ab", "éé"]


def test_a_document_that_was_rewritten_has_no_removed_line():
    assert listed(["one\ntwo\nthree"], ["one\nthree!"])[1:3] == ([0], [])
    assert listed(["one\ntwo"], ["two\none"])[1:3] == ([0], [])


LINES = st.lists(st.sampled_from(["", " ", "a", "ab", "b", "é", " a\t", "a b"]), max_size=8)


@given(st.lists(st.lists(st.tuples(st.sampled_from(["", " ", "a", "ab", "é"]), st.booleans()),
                         min_size=1, max_size=8), max_size=4))  # fmt: skip
def test_what_is_found_rebuilds_what_was_left(documents):
    """For any lines removed from any texts, the same lines are found, without their order."""
    before = ["\n".join(line for line, _ in lines) for lines in documents]
    after = ["\n".join(line for line, stays in lines if stays) for lines in documents]
    lines, removed, texts, _ = listed(before, after)
    assert lines == [len(d) for d in documents]
    expected = []
    for text, rest, found in zip(before, after, removed, strict=True):
        gone = text.split("\n")
        if rest or not text:
            for line in rest.split("\n"):
                gone.remove(line)
        assert found == len(gone)
        expected += [line.strip() for line in gone if line.strip()]
    assert sorted(texts) == sorted(expected)


@given(st.lists(st.tuples(LINES, LINES), max_size=4))
def test_any_two_texts_are_compared_safely(pairs):
    before, after = (
        (["\n".join(lines) for lines in side] for side in zip(*pairs, strict=True))
        if (pairs)
        else ([], [])
    )
    lines, removed, _, _ = listed(before, after)
    for text, rest, n, gone in zip(before, after, lines, removed, strict=True):
        assert n == text.count("\n") + 1
        assert gone in (0, n, n - rest.count("\n") - 1)
