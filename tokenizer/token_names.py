"""Names and texts of the tokens of a ``tokenizer.json`` or a tiktoken file."""

from __future__ import annotations

import pyarrow as pa

from tokenizer.byte_level.encode import token_bytes
from tokenizer.byte_level.json_file import byte_characters, parse_json, spelled_bytes
from tokenizer.byte_level.tiktoken_file import byte_level_of_tiktoken
from tokenizer.kinds import TIKTOKEN, kind_of
from tokenizer.opening import encoder_of

SPACE_MARK = "\u2581"
"""Character that stands for a space in tokens that are not byte-level."""


class TokenNames:
    """The names of a tokenizer's tokens, the bytes that they decode to, and its encoding."""

    def __init__(self, data: bytes, file_name: str) -> None:
        """Read a file. Raises ValueError where it is damaged."""
        self._data, self._file_name = data, file_name
        read = _of_tiktoken if kind_of(data) == TIKTOKEN else _of_json
        names, surfaces, special = read(data, file_name)
        size = 1 + max(names)
        self.names = [names.get(number, "") for number in range(size)]
        self.surfaces = [surfaces.get(number, b"") for number in range(size)]
        self.is_special = [number in special for number in range(size)]

    def id_to_piece(self, number: int) -> str:
        """Return the name of a token, as the file has it."""
        return self.names[number]

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text."""
        encoder = encoder_of(self._data, self._file_name)
        return encoder.encode(pa.array([text]), bos=False, eos=False)[0].tolist()


Read = tuple[dict[int, str], dict[int, bytes], set[int]]
"""Names of tokens, the bytes that they decode to, and which of them are special."""


def token_names(data: bytes, file_name: str) -> TokenNames:
    """Return the tokens of a file. Raises ValueError where it is damaged."""
    return TokenNames(data, file_name)


def _of_tiktoken(data: bytes, file_name: str) -> Read:
    file = byte_level_of_tiktoken(data, file_name)
    surfaces = token_bytes(file)
    characters = byte_characters()
    names = {i: "".join(characters[byte] for byte in token) for i, token in surfaces.items()}
    names |= {number: name for name, number in file.added.items()}
    return names, surfaces, set(file.added.values())


def _of_json(data: bytes, _: str) -> Read:
    content = parse_json(data)
    vocabulary = content["model"].get("vocab") or {}
    if not isinstance(vocabulary, dict):  # a unigram model's: pieces with their scores
        vocabulary = {piece: number for number, (piece, _) in enumerate(vocabulary)}
    is_byte_level = "ByteLevel" in str([content.get("decoder"), content.get("pre_tokenizer")])
    names = {number: token for token, number in vocabulary.items()}
    surfaces = {number: _surface(token, is_byte_level) for number, token in names.items()}
    special = set()
    for one in content.get("added_tokens") or []:
        names[one["id"]] = one["content"]
        surfaces[one["id"]] = b"" if one["special"] else one["content"].encode()
        if one["special"]:
            special.add(one["id"])
    if not names:
        raise ValueError("a tokenizer.json without tokens")
    return names, surfaces, special


def _surface(token: str, is_byte_level: bool) -> bytes:
    if is_byte_level:
        spelled = spelled_bytes(token)
        return token.encode() if spelled is None else spelled
    if len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
        return bytes([int(token[3:-1], 16)])
    return token.replace(SPACE_MARK, " ").encode()
