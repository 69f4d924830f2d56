"""Patterns of e-mail addresses, IP addresses and phone numbers in UTF-8 bytes.

Each function gets a position and the edges of the text. It returns the end of the address or number
at that position, or 0. Only ASCII letters and digits can be part of one. So a character of another
script may stand directly before or after it, as in Chinese.
"""

from __future__ import annotations

import ipaddress

import numpy as np
import numpy.typing as npt
from numba import njit

MAX_LOCAL_CHARS = 64
"""Longest part of an e-mail address before its ``@``, in characters (RFC 5321)."""

VERSION_NUMBERS_BELOW = 32
"""Bound for the parts of version and section numbers (5.3.6.61). An IPv4 address counts only if two
of its parts are not below it."""

_NOT_PUBLIC = (  # IANA's registry of special addresses (RFC 6890), multicast, reserved addresses
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
    *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15"),
    *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3"),
)
_RESERVED_DOMAINS = ("example", "test", "invalid", "localhost")  # RFC 2606
_FICTITIOUS_LINE = 55501  # 555-0100 to 555-0199 are kept for fiction

_MAX_PHONE_DIGITS = 15  # ITU-T E.164
_MIN_PHONE_DIGITS = 8
_NORTH_AMERICAN_DIGITS = 11  # with the country code


def _ranges() -> npt.NDArray[np.int64]:
    networks = map(ipaddress.IPv4Network, _NOT_PUBLIC)
    return np.array([[int(network[0]), int(network[-1])] for network in networks], np.int64)


def _byte_table(characters: str) -> npt.NDArray[np.bool_]:
    table = np.zeros(256, np.bool_)
    table[list(characters.encode())] = True
    return table


_NOT_PUBLIC_RANGES = _ranges()
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_IS_WORD = _byte_table(_LETTERS + "0123456789_")
_IS_LOCAL = _byte_table(_LETTERS + "0123456789._%+-")
_IS_DOMAIN = _byte_table(_LETTERS + "0123456789.-")
_IS_PHONE_GAP = _byte_table(" -./()")
_RESERVED_DATA = np.frombuffer("".join(_RESERVED_DOMAINS).encode(), np.uint8)
_RESERVED_OFFSETS = np.cumsum([0, *map(len, _RESERVED_DOMAINS)])


@njit(cache=True, nogil=True, inline="always")
def is_word_byte(byte):  # type: ignore[no-untyped-def]
    """Tell whether a byte is an ASCII letter, a digit or the underscore."""
    return _IS_WORD[byte]


@njit(cache=True, nogil=True, inline="always")
def _is_digit(byte):  # type: ignore[no-untyped-def]
    return 0x30 <= byte <= 0x39


@njit(cache=True, nogil=True, inline="always")
def _digit_value(byte):  # type: ignore[no-untyped-def]
    return np.int64(byte) - 0x30


@njit(cache=True, nogil=True, inline="always")
def _is_letter(byte):  # type: ignore[no-untyped-def]
    return 0x61 <= byte | 0x20 <= 0x7A


@njit(cache=True, nogil=True)
def email_around(data, start, at, end):  # type: ignore[no-untyped-def]
    """Return the edges of the e-mail address whose ``@`` is ``data[at]``, (0, 0) for none.

    Before the ``@`` stand up to 64 letters, digits and ``._%+-``. The first is a letter or digit,
    and there are no two dots in a row and no dot at the end. After the ``@`` stand at least two
    labels of letters, digits and hyphens. The last label has two letters or more. Addresses at
    domains reserved for examples (RFC 2606) do not count.
    """
    first = at
    while first > start and _IS_LOCAL[data[first - 1]]:
        first -= 1
    if at - first > MAX_LOCAL_CHARS:
        return 0, 0
    while first < at and not (_is_letter(data[first]) or _is_digit(data[first])):
        first += 1
    if first == at or data[at - 1] == 0x2E:
        return 0, 0
    for i in range(first, at - 1):
        if data[i] == 0x2E and data[i + 1] == 0x2E:
            return 0, 0
    last = at + 1
    while last < end and _IS_DOMAIN[data[last]]:
        last += 1
    while data[last - 1] == 0x2E or data[last - 1] == 0x2D:
        last -= 1
    label = _last_label(data, at + 1, last)
    if label == 0 or _is_reserved(data, at + 1, label, last):
        return 0, 0
    return first, last


@njit(cache=True, nogil=True)
def _last_label(data, start, end):  # type: ignore[no-untyped-def]
    """Return where the last label of a domain begins, 0 for no domain of the public internet."""
    label = start
    for i in range(start, end + 1):
        if i == end or data[i] == 0x2E:
            if i == label or data[label] == 0x2D or data[i - 1] == 0x2D:
                return 0
            if i < end:
                label = i + 1
    if label == start or end - label < 2:
        return 0
    if _is_in_ascii(data, label, end):
        return label
    for i in range(label, end):
        if not _is_letter(data[i]):
            return 0
    return label


@njit(cache=True, nogil=True)
def _is_in_ascii(data, start, end):  # type: ignore[no-untyped-def]
    """Tell whether a label is the ASCII form of one in other letters (``xn--p1ai``, RFC 5890)."""
    if end - start < 5 or data[start + 2] != 0x2D or data[start + 3] != 0x2D:
        return False
    return data[start] | 0x20 == 0x78 and data[start + 1] | 0x20 == 0x6E


@njit(cache=True, nogil=True)
def _is_reserved(data, start, label, end):  # type: ignore[no-untyped-def]
    """Tell whether a domain is ``example.com`` (``.net``, ``.org``) or under a reserved name."""
    if _is_name(data, label, end, 0, 4):
        return True
    if end - label != 3:
        return False
    before = label - 1
    while before > start and data[before - 1] != 0x2E:
        before -= 1
    kind = (data[label] | 0x20, data[label + 1] | 0x20, data[label + 2] | 0x20)
    is_kind = kind == (0x63, 0x6F, 0x6D) or kind == (0x6E, 0x65, 0x74) or kind == (0x6F, 0x72, 0x67)
    return is_kind and _is_name(data, before, label - 1, 0, 1)


@njit(cache=True, nogil=True)
def _is_name(data, start, end, first_name, last_name):  # type: ignore[no-untyped-def]
    """Tell whether a label is one of the reserved names, in any case."""
    for name in range(first_name, last_name):
        at = _RESERVED_OFFSETS[name]
        if _RESERVED_OFFSETS[name + 1] - at == end - start:
            k = 0
            while start + k < end and data[start + k] | 0x20 == _RESERVED_DATA[at + k]:
                k += 1
            if start + k == end:
                return True
    return False


@njit(cache=True, nogil=True)
def ipv4_end(data, i, end):  # type: ignore[no-untyped-def]
    """Return the end of the public IPv4 address that begins at ``i``, 0 for none.

    The address is four numbers up to 255 without leading zeros. Two of them are at least 32, which
    version numbers hardly have. No word or further number follows. Private addresses, those for
    documentation and other special addresses do not count.
    """
    address = high = 0
    for part in range(4):
        if part:
            if i >= end or data[i] != 0x2E:
                return 0
            i += 1
        first = i
        number = 0
        while i < end and i - first < 3 and _is_digit(data[i]):
            number = number * 10 + _digit_value(data[i])
            i += 1
        if i == first or number > 255 or (i - first > 1 and data[first] == 0x30):
            return 0
        high += number >= VERSION_NUMBERS_BELOW
        address = address << 8 | number
    if high < 2 or _goes_on(data, i, end):
        return 0
    for row in range(_NOT_PUBLIC_RANGES.shape[0]):
        if _NOT_PUBLIC_RANGES[row, 0] <= address <= _NOT_PUBLIC_RANGES[row, 1]:
            return 0
    return i


@njit(cache=True, nogil=True)
def _goes_on(data, i, end):  # type: ignore[no-untyped-def]
    """Tell whether a word continues at ``i``, or a number after a dot or hyphen."""
    if i >= end:
        return False
    if _IS_WORD[data[i]]:
        return True
    is_joined = data[i] == 0x2E or data[i] == 0x2D
    return is_joined and i + 1 < end and _is_digit(data[i + 1])


@njit(cache=True, nogil=True)
def _hex_value(byte):  # type: ignore[no-untyped-def]
    """Return the value of a hexadecimal digit, -1 for any other byte."""
    if _is_digit(byte):
        return np.int64(byte) - 0x30
    if 0x61 <= byte | 0x20 <= 0x66:
        return np.int64(byte | 0x20) - 0x57
    return -1


@njit(cache=True, nogil=True)
def ipv6_end(data, i, end):  # type: ignore[no-untyped-def]
    """Return the end of the public IPv6 address that begins at ``i``, 0 for none.

    The address is in global unicast (2000::/3). It is written as eight groups, or as three to seven
    groups with one ``::``. Addresses for documentation (2001:db8::/32, 3fff::/20) and protocol
    assignments (2001::/23) do not count.
    """
    if data[i] != 0x32 and data[i] != 0x33:
        return 0
    groups = first_group = second_group = 0
    is_shortened = False
    while True:
        first = i
        value = 0
        while i < end and i - first < 5 and _hex_value(data[i]) >= 0:
            value = value << 4 | _hex_value(data[i])
            i += 1
        if i - first > 4 or (groups == 0 and i - first != 4):
            return 0
        if i == first:
            break
        if groups == 0:
            first_group = value
        if groups == 1 and not is_shortened:
            second_group = value
        groups += 1
        if i + 1 >= end or data[i] != 0x3A:
            break
        if data[i + 1] == 0x3A:
            if is_shortened:
                return 0
            is_shortened = True
            i += 2
        elif _hex_value(data[i + 1]) >= 0:
            i += 1
        else:
            break
    if i < end and (_IS_WORD[data[i]] or (data[i] == 0x3A and data[i - 1] == 0x3A)):
        return 0
    if not (groups == 8 and not is_shortened) and not (3 <= groups <= 7 and is_shortened):
        return 0
    if first_group == 0x2001 and (second_group < 0x200 or second_group == 0xDB8):
        return 0
    if first_group == 0x3FFF and second_group < 0x1000:
        return 0
    return i


@njit(cache=True, nogil=True)
def international_phone_end(data, i, end):  # type: ignore[no-untyped-def]
    """Return the end of the phone number that begins with the ``+`` at ``i``, 0 for none.

    The number has eight to fifteen digits in groups (E.164), with one to three characters of
    ``" -./()"`` between the groups. Only the first two groups may have a single digit. A ``(0)``
    behind the country code, which is dialled within the country alone, is no group. No group of
    several digits is of zeros alone (``+25 000`` is a sum). Country code 1 has ten more digits, of
    the North American plan.
    """
    is_north_american = i + 1 < end and data[i + 1] == 0x31
    max_digits = _NORTH_AMERICAN_DIGITS if is_north_american else _MAX_PHONE_DIGITS
    digits = groups = number = number_end = 0
    i += 1
    if i >= end or not 0x31 <= data[i] <= 0x39:
        return 0
    while True:
        first = i
        value = 0
        while i < end and i - first <= max_digits and _is_digit(data[i]):
            value = value * 10 + _digit_value(data[i])
            i += 1
        length = i - first
        if length == 0 or digits + length > max_digits or (i < end and _IS_WORD[data[i]]):
            break
        if length == 1 and groups > 1:
            break
        if value == 0 and length > 1:
            return 0
        is_national = value == 0 and groups == 1 and data[first - 1] == 0x28
        if not (is_national and i < end and data[i] == 0x29):
            digits += length
            groups += 1
            number = number * 10**length + value
            number_end = i
        group_end = i
        while i < end and i - group_end < 3 and _IS_PHONE_GAP[data[i]]:
            i += 1
        if i == group_end:
            break
    if digits < _MIN_PHONE_DIGITS:
        return 0
    if is_north_american and (digits < max_digits or not _is_north_american(number)):
        return 0
    return number_end


@njit(cache=True, nogil=True)
def _is_north_american(number):  # type: ignore[no-untyped-def]
    """Tell whether a number's last ten digits fit the North American plan, and are not fiction."""
    area, exchange = number // 10**9 % 10, number // 10**6 % 10
    return area >= 2 and exchange >= 2 and number // 100 % 10**5 != _FICTITIOUS_LINE


@njit(cache=True, nogil=True)
def north_american_phone_end(data, i, end):  # type: ignore[no-untyped-def]
    """Return the end of the North American phone number that begins at ``i``, 0 for none.

    It is written ``(212) 736-5000``, ``212-736-5000`` or ``212.736.5000``, and may begin with
    ``1-``.
    """
    if data[i] == 0x31 and i + 1 < end and (data[i + 1] == 0x20 or 0x2D <= data[i + 1] <= 0x2E):
        i += 2
    if i >= end:
        return 0
    separator = 0
    if data[i] == 0x28:
        area, i = _digits_at(data, i + 1, 3, end)
        if area < 0 or i >= end or data[i] != 0x29:
            return 0
        i += 1
        i += i < end and (data[i] == 0x20 or data[i] == 0x2D)
    else:
        area, i = _digits_at(data, i, 3, end)
        if area < 0 or i >= end or not 0x2D <= data[i] <= 0x2E:
            return 0
        separator = data[i]
        i += 1
    exchange, i = _digits_at(data, i, 3, end)
    if exchange < 0 or i >= end or not (data[i] == 0x20 or 0x2D <= data[i] <= 0x2E):
        return 0
    if separator and data[i] != separator:
        return 0
    line, i = _digits_at(data, i + 1, 4, end)
    if line < 0 or _goes_on(data, i, end):
        return 0
    return i if _is_north_american((area * 1000 + exchange) * 10000 + line) else 0


@njit(cache=True, nogil=True)
def _digits_at(data, i, n_digits, end):  # type: ignore[no-untyped-def]
    """Return the number of ``n_digits`` digits at ``i``, -1 where there are fewer, and its end."""
    value = 0
    for k in range(n_digits):
        if i + k >= end or not _is_digit(data[i + k]):
            return -1, i
        value = value * 10 + _digit_value(data[i + k])
    return value, i + n_digits
