"""Checks of one hostile file, which goes through its reader and the steps of its source."""

from __future__ import annotations

import functools
import json
import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.output.decisions import decision_name, write_decisions
from pipeline.output.layout import Split, joined_name
from pipeline.output.ledger import Tally, imbalance
from pipeline.passes.first.fingerprint import chunks
from pipeline.passes.first.join_records import by_partition, write_documents
from pipeline.passes.process import characters, process_split, read_split
from pipeline.recipe.from_yaml import load_recipe
from pipeline.recipe.recipe import Recipe, Source, recipe_from_mapping
from tests.conftest import ROOT, SHARED
from tests.support.plain.near import find_near_duplicates
from tokenizer.encode import load_encoder
from transforms.code.licences import LICENCE_NAMES
from transforms.dedup.exact import Part, decide_with_firsts
from transforms.dedup.near import DeduplicateNear

SOURCE_OF = {
    "wet": "commoncrawl", "warc": "commoncrawl_warc", "json_lines": "c4",
    "bigquery_github": "github", "repositories": "repositories", "wikipedia": "wikipedia",
    "books": "books", "arxiv": "arxiv", "stackexchange": "stackexchange",
    "huggingface": "huggingface",
}  # fmt: skip
"""Source of the recipe for each reader."""

SMALL = {
    "batch_bytes": 16_384, "split_bytes": 20_000, "max_record_bytes": 12_000,
    "joined_part_bytes": 20_000,
}  # fmt: skip
"""Limits of reading that even small files reach."""

PARTITIONS = 3  # partitions of joined posts

REASONS = {
    "arxiv": "pdf_only no_main_file withdrawn record_too_large archive_too_large hostile_archive"
    " damaged",
    "bigquery_github": "not_text no_text empty bad_json record_too_large damaged",
    "books": "not_a_book empty encrypted damaged record_too_large",
    "huggingface": "no_text empty record_too_large damaged not_a_dataset",
    "json_lines": "bad_json no_text empty record_too_large damaged",
    "repositories": "link not_a_file unsafe_path no_repository not_text no_text empty"
    " record_too_large damaged",
    "stackexchange": "not_a_question_or_answer deleted_post bad_post record_too_large not_posts"
    " damaged too_few_answers empty answer_without_question duplicate_post",
    "warc": "not_a_page bad_http http_status not_html html_too_large html_error empty mojibake"
    " record_too_large damaged not_a_warc",
    "wet": "not_a_page empty record_too_large damaged not_a_warc",
    "wikipedia": "other_language not_an_article redirect not_wikitext empty record_too_large"
    " bad_xml damaged not_a_dump",
    "drop_short": "too_short",
    "deduplicate_lines": "no_unique_line",
    "deduplicate_documents": "duplicate_document",
    "deduplicate_near": "near_duplicate",
    "identify_language": "other_language low_language_score",
    "score_perplexity": "",
    "bucket_by_perplexity": "perplexity_tail",
    "keep_licences": " ".join(f"licence_{name}" for name in (*LICENCE_NAMES, "unknown", "other")),
    "drop_generated_files": "licence_file certificate vendored generated",
    "filter_code": "other_extension line_too_long lines_too_long few_alphanumerics few_letters",
    "strip_licence_header": "only_licence_header",
    "clean_wikitext": "disambiguation empty",
    "strip_gutenberg": "empty",
    "remove_latex_comments": "empty",
    "expand_macros": "empty",
    "cut_latex": "empty",
    "opt_out": "opted_out",
}
"""All reasons for which a reader or a step may drop a document."""


class BrokenPromiseError(AssertionError):
    """The error of a file for which the pipeline broke one of its promises."""


@functools.cache
def recipe(small: bool) -> Recipe:
    """Return the recipe of the real samples, or of the demo where the models are missing."""
    models = SHARED / "models" if (SHARED / "models").is_dir() else ROOT / "samples" / "models"
    settings = [f"data={models}", f"models={models}"]
    if not (SHARED / "models").is_dir():
        settings.append(f"tokenizer.model={models / 'tokenizer.model'}")
    mapping: Any = dict(load_recipe(str(ROOT / "recipes" / "samples.yaml"), settings).mapping)
    sources = dict(mapping["sources"])
    sources["repositories"] = {**sources["github"], "reader": "repositories"}
    columns = {"text_column": "text", "url_column": "url", "metadata_columns": ["timestamp"]}
    sources["huggingface"] = {**sources["c4"], "reader": {"huggingface": columns}}
    share = 1 / len(sources)
    mapping["sources"] = {name: {**one, "proportion": share} for name, one in sources.items()}
    if small:
        mapping["reading"] = SMALL
    return recipe_from_mapping(mapping)


def examine(reader: str, name: str, path: str, *, small: bool) -> dict[str, int]:
    """Run a file through reader and steps; return counts of the results.

    Raises :class:`BrokenPromiseError` where a promise does not hold, and any error of the pipeline.
    """
    with tempfile.TemporaryDirectory() as output:
        return _Examination(reader, name, path, output, recipe(small)).run()


class _Examination:
    def __init__(self, reader: str, name: str, path: str, output: str, made: Recipe) -> None:
        self.reader = reader
        self.path = path
        self.output = output
        self.recipe = made
        self.source: Source = made.source(SOURCE_OF[reader])
        self.name = f"{self.source.name}/{name}"
        self.ids: Counter[str] = Counter()
        self.n_damaged: list[int | None] = []  # rows that each damage stands for, None if unknown
        self.tally = Tally()
        self.kept = 0

    def run(self) -> dict[str, int]:
        for split in self._splits():
            self._decide(split)
            self._process(split)
        rows = self.tally.rows()
        if imbalance(rows) != (0, 0):
            raise BrokenPromiseError(f"the ledger does not add up: {imbalance(rows)}: {rows}")
        repeated = [row_id for row_id, count in self.ids.items() if count > 1]
        if repeated:
            raise BrokenPromiseError(f"ids that stand twice: {repeated[:5]}")
        self._check_count()
        return {"in": self.ids.total(), "out": self.kept}

    def _splits(self) -> Iterator[Split]:
        size = Path(self.path).stat().st_size
        split = Split(
            self.source.name, 0, self.path, self.name, 0, None, size, 0.0, 0, 0, "documents"
        )
        if self.source.reader.join is not None:
            yield from self._joined(split._replace(holds="records"))
            return
        cuts = [0]
        if self.recipe.reading.split_bytes < size and self._may_be_cut():
            cuts = list(range(0, size, self.recipe.reading.split_bytes))
        for number, start in enumerate(cuts):
            end = cuts[number + 1] if number + 1 < len(cuts) else None
            yield split._replace(split=number, start=start, end=end)

    def _may_be_cut(self) -> bool:
        return "plain" in self.source.reader.splits and not self.path.endswith(
            (".gz", ".bz2", ".zst")
        )

    def _joined(self, split: Split) -> Iterator[Split]:
        """Join records as the pipeline does; check that none is lost."""
        join = self.source.reader.join
        assert join is not None
        held: dict[int, list[pa.RecordBatch]] = {number: [] for number in range(PARTITIONS)}
        batches = list(read_split(split, self.source, self.recipe.reading, self.output))
        for batch in batches:
            batch.validate(full=True)
        for number, records in by_partition(iter(batches), join, PARTITIONS):
            held[number].append(records)
        accounted = 0
        for number, pieces in held.items():
            if pieces:
                (records,) = pa.Table.from_batches(pieces).combine_chunks().to_batches()
                documents = join.join(records, self.source.reader_options)
                for metadata in documents["metadata"].to_pylist():
                    accounted += 1 + len(json.loads(metadata).get("answer_ids", []))
                name = joined_name(self.source.name, number)
                write_documents(self.output, name, documents, self.recipe.reading.batch_bytes)
                yield split._replace(
                    split=number, path=name, name=f"{self.source.name}/part-{number}",
                    holds="documents",
                )  # fmt: skip
        n_records = sum(batch.num_rows for batch in batches)
        if accounted != n_records:
            raise BrokenPromiseError(f"{n_records} posts read, {accounted} in documents and rows")

    def _decide(self, split: Split) -> None:
        """Write the decisions of the source's deduplications, as the first pass would."""
        for position in self.source.shuffle_positions:
            deduplicate = self.source.steps[position].deduplication
            batches = process_split(split, self.recipe, self.output, Tally(), until=position)
            if isinstance(deduplicate, DeduplicateNear):
                held = list(batches)
                goes = find_near_duplicates(held, deduplicate)
                ids = [row_id for batch in held for row_id in batch["id"].to_pylist()]
                n_units = len(ids)
                dropped = [np.flatnonzero([row_id in goes for row_id in ids]).astype(np.uint32)]
            else:
                n_units, dropped = 0, []
                for n, chunk in chunks(deduplicate.units(batch) for batch in batches):
                    n_units += n
                    dropped.append(chunk.repeats)
                    part = Part(split.split, chunk.keys, chunk.firsts)
                    decided = decide_with_firsts([part], deduplicate.keep, named=False)
                    dropped += [one.units for one in decided]
            name = decision_name(split.source, position, split.split)
            write_decisions(self.output, name, n_units, dropped)

    def _process(self, split: Split) -> None:
        encoder = load_encoder(self.recipe.tokenizer.model)
        batches = process_split(split, self.recipe, self.output, self.tally, observer=self._observe)
        for batch in batches:
            self.kept += batch.num_rows
            total = pc.sum(characters(batch)).as_py()
            self.tally.add("write", "out", "train", batch.num_rows, total)
            ids, offsets = encoder.encode(batch["text"], bos=True, eos=True)
            if len(offsets) != batch.num_rows + 1 or offsets[-1] != len(ids):
                raise BrokenPromiseError("tokens and their offsets do not fit")

    def _observe(self, step: str, before: pa.RecordBatch, after: pa.RecordBatch) -> None:
        after.validate(full=True)  # texts are UTF-8
        allowed = REASONS[self.reader if step == "read" else step].split()
        reasons = set(pc.unique(after["dropped_by"]).to_pylist()) - {None}
        if unknown := reasons - set(allowed):
            raise BrokenPromiseError(f"{step}: unknown reasons {sorted(unknown)}")
        if step == "read":
            self.ids.update(after["id"].to_pylist())
            rows = zip(after["metadata"].to_pylist(), after["dropped_by"].to_pylist(), strict=True)
            for metadata, dropped_by in rows:
                fields = json.loads(metadata or "{}")
                if not isinstance(fields, dict):
                    raise BrokenPromiseError(f"metadata is no object: {metadata[:100]}")
                if dropped_by == "damaged":
                    self.n_damaged.append(fields.get("rows"))

    def _check_count(self) -> None:
        """Compare the number of rows with the records that a plain search finds in a plain file."""
        data = Path(self.path).read_bytes()
        if self.reader == "json_lines" and not _COMPRESSED.match(data):
            lines = sum(bool(line.strip()) for line in data.split(b"\n"))
            self._expect(lines)
        elif self.reader == "wikipedia" and not _COMPRESSED.match(data) and data[:1] == b"<":
            self._expect(data.count(b"<page>"))
        elif data[:4] == b"PAR1" and (groups := _row_groups(self.path)) is not None:
            told = [n for n in self.n_damaged if n is not None]
            if len(told) == len(self.n_damaged):  # a damage of unknown size may be the whole file
                self._expect(sum(max(n, 0) for n in groups), sum(told) - len(told))
        elif (
            self.reader in ("wet", "warc", "bigquery_github", "books", "huggingface")
            and data.strip(b" \t\r\n\v\f\0")
            and not self.ids
            and not _COMPRESSED.match(data)
        ):
            raise BrokenPromiseError("a file disappeared without a row")

    def _expect(self, rows: int, also: int = 0) -> None:
        """Compare a number of rows with the rows read, plus ``also`` records without a row."""
        n_read = self.ids.total() + also
        if n_read != rows:
            raise BrokenPromiseError(f"{rows} records in the file, {n_read} rows")


def _row_groups(path: str) -> list[int] | None:
    """Return the numbers of rows of a Parquet file's row groups, None for another file."""
    try:
        metadata = pq.read_metadata(path)
    except (pa.ArrowException, OSError):
        return None
    return [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]


_COMPRESSED = re.compile(rb"\x1f\x8b\x08|BZh[1-9]|\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18")
