"""What a shard keeps of texts: the ids of their tokens, or their UTF-8 bytes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.output.layout import Shard, kept_schema
from pipeline.passes.shards.grouped_part import GroupedPart
from pipeline.passes.shards.part_files import PartWriter
from pipeline.passes.shards.text_part import TextPartWriter
from pipeline.recipe.recipe import Recipe
from pipeline.recipe.sections import Tokenizer
from tokenizer.opening import open_encoder
from tokenizer.text_buffers import text_buffers


class Units(NamedTuple):
    """How texts become the units of a shard, and how many values a unit may have."""

    encode: Callable[[pa.StringArray], tuple[npt.NDArray[Any], npt.NDArray[np.int64]]]
    vocabulary_size: int


TEXT_UNITS = Units(text_buffers, 1 << 8)
"""Units of shards of text: their bytes."""


def token_units(tokenizer: Tokenizer, path: str) -> Units:
    """Return the units of shards of tokens. ``path`` is that of the tokenizer's file here."""
    encoder = open_encoder(path, special_in_text=tokenizer.special_in_text)
    encode = partial(encoder.encode, bos=tokenizer.bos, eos=tokenizer.eos)
    return Units(encode, encoder.vocabulary_size)


def open_part(
    part: str, shard: Shard, recipe: Recipe, output: str, stack: ExitStack, units: Units
) -> PartWriter | TextPartWriter | GroupedPart:
    """Open the files of a part, which is grouped where the source has domains."""
    domains = recipe.source(shard.source).domains
    schema = kept_schema(is_text=recipe.shards.is_text, is_divided=domains is not None)
    writer: PartWriter | TextPartWriter
    if recipe.shards.is_text:
        writer = TextPartWriter(shard, part, output, stack, schema)
    else:
        uint16 = units.vocabulary_size <= 1 << 16
        writer = PartWriter(shard, part, output, stack, uint16, schema)
    return writer if domains is None else GroupedPart(writer, domains.columns, output, stack)
