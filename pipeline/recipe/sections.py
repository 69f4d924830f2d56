"""The sections of a recipe that are not its sources: tokenizer, shards, reading."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from transforms.documents import FilePath

KeepDocuments = Literal["auto", "always", "never"]
"""Of which sources documents are kept once read (:mod:`pipeline.passes.kept_documents`)."""

SpecialTokensInText = Literal["keep_as_text", "encode"]
"""What special tokens become that are spelt out in a text: text as any other, or these tokens."""

ShardFormat = Literal["tokens", "text"]
"""What a shard holds of its documents."""

TEXT_BYTES_A_TOKEN = 4
"""Bytes of text that are taken for a token where the size of a shard of text is planned."""


@dataclass(frozen=True)
class Tokenizer:
    """The tokenizer that turns text into tokens. It is not read for shards of text."""

    model: FilePath  # SentencePiece model, tokenizer.json, tiktoken file or their folder
    bos: bool  # a beginning-of-sequence token before every document
    eos: bool  # an end-of-sequence token after every document
    special_tokens_in_text: SpecialTokensInText = "keep_as_text"  # those spelt out in a document

    @property
    def special_in_text(self) -> bool:
        """Whether special tokens that are spelt out in a text become these tokens."""
        return self.special_tokens_in_text == "encode"


@dataclass(frozen=True)
class Shards:
    """How documents are divided into files, and what the files hold of them."""

    target_shard_tokens: int  # tokens of a shard, about
    validation_fraction: float  # part of the documents; a hash of the id chooses them
    format: ShardFormat = "tokens"  # or the text, which `corpus retokenize` makes tokens of
    target_shard_text_bytes: int | None = None  # bytes of text of a shard, about; 4 a token if null

    @property
    def is_text(self) -> bool:
        """Whether the shards hold text."""
        return self.format == "text"

    @property
    def planned_tokens(self) -> int:
        """Tokens of a shard by which the input is divided."""
        if self.is_text and self.target_shard_text_bytes is not None:
            return max(1, self.target_shard_text_bytes // TEXT_BYTES_A_TOKEN)
        return self.target_shard_tokens


@dataclass(frozen=True)
class Reading:
    """How input files are cut into splits and read in batches."""

    batch_bytes: int  # bytes of text in a batch of documents
    split_bytes: int  # bytes above which a file is cut, if its format allows
    max_record_bytes: int  # bytes above which a record is dropped as too long
    joined_part_bytes: int  # bytes of records that are joined into documents at a time
    keep_documents: KeepDocuments = "auto"  # between passes: of dear sources, of all, of none
