"""The list of addresses that a Wikipedia cites: every article's, distinct and sorted, one a line.

Each split of the dump writes the sorted addresses of its own articles to a file; the list is the
merge of these, so nothing is shuffled, and a command that was stopped reads no split twice.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import Any

import apache_beam as beam

from pipeline.files import storage
from pipeline.models.derive import derived_recipe, source_entry
from pipeline.models.model_card import card_path, write_card
from pipeline.output import whole_files
from pipeline.output.layout import Split, read_plan
from pipeline.output.ledger import Tally
from pipeline.output.output_folder import describe
from pipeline.output.progress import ProgressLog
from pipeline.passes.beam_parts import RecipeDoFn, RecipeTransform
from pipeline.passes.from_plan import FromPlan
from pipeline.passes.process import process_split
from pipeline.passes.session import opened
from pipeline.recipe.recipe import Recipe
from pipeline.runners.execution import Execution
from transforms.wikipedia.citations import cited_urls

LIST_NAME = "cited_urls.txt"
FOLDER = "work/cited"
PROGRESS_NAME = "cited-urls"


def list_cited_urls(
    recipe: Recipe, source: str, languages: Sequence[str], output: str, execution: Execution, *,
    start_over: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Write ``cited_urls.txt`` to the folder ``output``, with a card; return the card.

    ``source`` is one of raw wikitext; its articles in ``languages``, or in all that it reads where
    there are none, are looked at ahead of its steps. Raises RunError where the recipe has no such
    source or the folder holds something else.
    """
    entry = source_entry(recipe, source, languages=languages, ahead_of_all=True)
    narrowed = derived_recipe(recipe, {source: entry})
    narrowed = replace(narrowed, opt_out=None)  # its addresses are not those that articles cite
    card_name = card_path(LIST_NAME)
    with opened(
        narrowed, output, execution, start_over=start_over, products=[card_name],
        describe=partial(describe, with_tokenizer=False),
    ) as session:  # fmt: skip
        if session.has(card_name):
            return storage.read_json(storage.join(output, card_name))
        total = sum(split.n_bytes for split in session.plan.splits)
        with (
            session.attempt(),
            session.pipeline(PROGRESS_NAME, "reading references", total) as pipeline,
        ):
            _ = pipeline | CiteSplits(session.recipe_json, output)
        counts = _merge(output, sorted(storage.list_names(output, FOLDER)))
        inputs = session.described["inputs"]
        return write_card(
            output,
            LIST_NAME,
            kind="url_list",
            data={"source": source, "languages": list(languages), "inputs": inputs},
            parameters={},
            scores=counts,
            packages=(),
        )


class CiteSplit(RecipeDoFn):
    """Read a split's articles and write the addresses that they cite."""

    def process(self, element: Split) -> None:
        """Write the split's file, if it is not there."""
        split = Split(*element)
        name = f"{FOLDER}/split{split.split:06d}.txt"
        if storage.exists(storage.join(self.output, name)):
            return
        progress = ProgressLog(self.output, PROGRESS_NAME, split)
        batches = process_split(split, self.recipe, self.output, Tally())
        found: set[str] = set()
        for batch in progress.watch(batches):
            texts, languages = batch["text"].to_pylist(), batch["language"].to_pylist()
            for text, language in zip(texts, languages, strict=True):
                found |= cited_urls(text, language)
        lines = sorted(f"{url}\n" for url in found)
        whole_files.write_bytes(self.output, name, "".join(lines).encode())
        progress.done()


class CiteSplits(RecipeTransform):
    """From the output folder's plan to a file of addresses for every split."""

    def expand(self, root: beam.pvalue.PBegin) -> beam.PCollection:
        """Spread the splits over the workers."""
        return (
            root
            | "ListSplits" >> FromPlan(self.output, read_plan)
            | "CiteSplit" >> beam.ParDo(CiteSplit(self.recipe_json, self.output))
        )


def _merge(output: str, names: Sequence[str]) -> dict[str, int]:
    """Write the list from the splits' files; return how many addresses it has."""
    n_urls = 0
    with ExitStack() as stack, whole_files.write_whole(output, LIST_NAME) as target:
        files = [stack.enter_context(storage.open_read(storage.join(output, n))) for n in names]
        for line, _ in groupby(heapq.merge(*files)):
            target.write(line)
            n_urls += 1
    return {"urls": n_urls}
