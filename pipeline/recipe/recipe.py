"""The recipe as frozen dataclasses: sources, their steps, and every number; checked when made.

A step has a short name, or the dotted name of any function from batch to batch. A reader has a
short name, or the dotted name of a :class:`pipeline.readers.Reader`. Their parameters in the recipe
are the keyword parameters of these functions, so they are declared only once.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.errors import RecipeError, nearest
from pipeline.files.trusted import trusted
from pipeline.readers import READERS, Reader
from pipeline.recipe import across
from pipeline.recipe.domains import Domains, domains_from
from pipeline.recipe.mixture import mixture_of, with_mixture
from pipeline.recipe.sections import Reading, Shards, Tokenizer
from pipeline.recipe.signatures import check_parameters, convert, parameters_of
from transforms.dedup.deduplication import Deduplication
from transforms.documents import FilePath
from transforms.registry import STEPS

READER_PARAMETERS = ("start", "end", "batch_bytes", "max_record_bytes")
"""Parameters that the pipeline passes to a reader; a recipe cannot set them there."""


@dataclass(frozen=True)
class Step:
    """One step of a source: a function from batch to batch, or a deduplication."""

    name: str
    target: Callable[..., Any]
    parameters: Mapping[str, Any]
    across: across.Across | None = None  # of a deduplication across sources

    @property
    def is_deduplication(self) -> bool:
        """Whether the step compares documents with one another (a class, not a function)."""
        return inspect.isclass(self.target)

    @cached_property
    def deduplication(self) -> Deduplication:
        """The deduplication that the step names, with the step's parameters."""
        made = self.target(**self.local_parameters)
        assert isinstance(made, Deduplication), "only of steps that are deduplications"
        return made

    def named_files(self) -> list[tuple[str, str]]:
        """Pairs of a parameter's name and a file that its value names."""
        expected = parameters_of(self.target)
        return [
            (name, file)
            for name, value in self.parameters.items()
            for file in _files_in(value, expected[name][0])
        ]

    def files(self) -> list[str]:
        """Files that the step's parameters name."""
        return [file for _, file in self.named_files()]

    @cached_property
    def local_parameters(self) -> Mapping[str, Any]:
        """Parameters to call the step with: remote files are replaced by local copies."""
        copies = {file: trusted(file) for file in self.files()}
        return {name: _replaced(value, copies) for name, value in self.parameters.items()}

    def check(self) -> None:
        """Run the step's own check of its parameters, if any; raises ValueError if it fails."""
        check = getattr(self.target, "check", None)
        if check is not None:
            check(**self.local_parameters)


def _replaced(value: Any, copies: Mapping[str, str]) -> Any:
    """Return a parameter's value with the paths of files replaced by their copies' paths."""
    if isinstance(value, Mapping):
        return {key: _replaced(item, copies) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_replaced(item, copies) for item in value)
    return copies.get(value, value) if isinstance(value, str) else value


def _files_in(value: Any, annotation: Any) -> Iterator[str]:
    """Yield the files that a parameter's value names: itself, or items of a list or mapping."""
    options = typing.get_args(annotation)
    if annotation is FilePath and isinstance(value, str):
        yield value
    elif typing.get_origin(annotation) in (typing.Union, types.UnionType):
        for option in options:
            yield from _files_in(value, option)
    elif options and isinstance(value, (list, Mapping)):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _files_in(item, options[-1])


@dataclass(frozen=True)
class Source:
    """One source of documents: its input, reader and steps."""

    name: str
    reader: Reader
    reader_name: str
    reader_parameters: Mapping[str, Any]
    reader_options: Any  # options of a reader that joins records, a dataclass; else None
    input: tuple[str, ...]
    proportion: float  # share of the tokens that are sampled in training
    expected_tokens_per_input_byte: float  # a rough figure, by which shards are sized
    steps: tuple[Step, ...]
    domains: Domains | None = None  # parts of the source with weights of their own

    @property
    def shuffle_positions(self) -> list[int]:
        """Positions of the deduplications among the steps."""
        return [i for i, step in enumerate(self.steps) if step.is_deduplication]

    def places(self, step: int) -> tuple[across.Place, ...]:
        """Return the steps that a deduplication is, a source each, the most preferred first."""
        shared = self.steps[step].across
        return (across.Place(self.name, step),) if shared is None else shared.places


@dataclass(frozen=True)
class Recipe:
    """A whole recipe. ``mapping`` holds the plain values, with variables filled in."""

    token_budget: int  # tokens of the training run that the mixture is for
    tokenizer: Tokenizer
    shards: Shards
    reading: Reading
    sources: tuple[Source, ...]
    opt_out: FilePath | None  # list of ids, urls and domains whose documents are dropped
    mapping: Mapping[str, Any] = field(repr=False)
    path: str = field(default="the recipe", compare=False)  # path of its file, for messages

    @property
    def mapping_of_results(self) -> dict[str, Any]:
        """The mapping without what decides how a run goes, and not what comes out of it.

        Weights of domains that are null are left out, too: they say no more than none.
        """
        reading = {k: v for k, v in self.mapping["reading"].items() if k != "keep_documents"}
        mapping = {**self.mapping, "reading": reading}
        return with_mixture(mapping, mixture_of(mapping))

    def with_sources(self, entries: Mapping[str, Mapping[str, Any]]) -> Recipe:
        """Return the recipe with other sources, checked; raises RecipeError.

        It has no deduplications across sources: those were of the sources that are gone.
        """
        others = {key: value for key, value in self.mapping.items() if key != across.KEY}
        made = recipe_from_mapping({**others, "sources": dict(entries)})
        return replace(made, path=self.path)

    def source(self, name: str) -> Source:
        """Return a source by its name."""
        return next(source for source in self.sources if source.name == name)

    def files(self) -> list[str]:
        """Models and lists that the steps read, and the tokenizer of shards of tokens, sorted."""
        tokenizer = [] if self.shards.is_text else [self.tokenizer.model]
        return sorted({*tokenizer, *self.step_files()})

    def step_files(self) -> list[str]:
        """Models and lists that the steps read, sorted."""
        steps = [step for source in self.sources for step in source.steps]
        return sorted({file for step in steps for file in step.files()})


def recipe_from_mapping(mapping: Mapping[str, Any]) -> Recipe:
    """Build a recipe from plain values, as in :attr:`Recipe.mapping`, and check it."""
    known = {"token_budget": int, "tokenizer": Tokenizer, "shards": Shards, "reading": Reading}
    more = ["sources", "opt_out", across.KEY]
    for key in mapping:
        if key not in known and key not in more:
            raise RecipeError(f"unknown key {key!r}{nearest(key, [*known, *more, 'variables'])}")
    for key in [*known, "sources"]:
        if key not in mapping:
            raise RecipeError(f"the key {key!r} is missing")
    if not isinstance(mapping["sources"], Mapping) or not mapping["sources"]:
        raise RecipeError("sources: expected a mapping of names to sources")
    sources = tuple(_source(str(name), entry) for name, entry in mapping["sources"].items())
    total = sum(source.proportion for source in sources)
    if abs(total - 1) > 1e-6:
        parts = " + ".join(f"{source.proportion:g}" for source in sources)
        raise RecipeError(f"sources: the proportions add up to {total:g}, not to 1 ({parts})")
    recipe = Recipe(
        token_budget=convert(mapping["token_budget"], int, "token_budget"),
        tokenizer=Tokenizer(**check_parameters(Tokenizer, mapping["tokenizer"], "tokenizer")),
        shards=Shards(**check_parameters(Shards, mapping["shards"], "shards")),
        reading=Reading(**check_parameters(Reading, mapping["reading"], "reading")),
        sources=_with_deduplications(sources, mapping),
        opt_out=convert(mapping.get("opt_out"), FilePath | None, "opt_out"),
        mapping=mapping,
    )
    _check_ranges(recipe)
    return recipe


def recipe_of_source(
    mapping: Mapping[str, Any], source: str, steps: Sequence[Any] | None = None
) -> Recipe:
    """Build the recipe of one source of a mapping; ``steps`` replaces the source's steps.

    With them it has no deduplications across sources; else those that the source is in, with their
    positions. The steps and readers of other sources are not imported.
    """
    entry = {**mapping["sources"][source], "proportion": 1.0}
    alone = across.narrowed(mapping, [source] if steps is None else [])
    if steps is not None:
        entry["steps"] = list(steps)
    return recipe_from_mapping({**alone, "sources": {source: entry}})


def _with_deduplications(
    sources: tuple[Source, ...], mapping: Mapping[str, Any]
) -> tuple[Source, ...]:
    """Add the deduplications across sources to the steps of each."""
    steps = {source.name: list(source.steps) for source in sources}
    for one in across.entries_of(mapping):
        made = _step({one.kind: one.parameters}, one.where.removesuffix(f".{one.kind}"))
        for name, _ in one.across.places:
            steps[name].append(replace(made, name=one.step_name, across=one.across))
    return tuple(replace(source, steps=tuple(steps[source.name])) for source in sources)


def _check_ranges(recipe: Recipe) -> None:
    """Raise RecipeError for wrong numbers that :mod:`pipeline.recipe.bounds` does not find."""
    if recipe.token_budget <= 0:
        raise RecipeError(f"token_budget: expected a number above 0, found {recipe.token_budget}")
    if recipe.reading.batch_bytes + recipe.reading.max_record_bytes >= 1 << 31:
        raise RecipeError(
            "reading: batch_bytes and max_record_bytes must stay under 2 GiB together"
        )
    if recipe.shards.validation_fraction == 1:
        raise RecipeError("shards.validation_fraction: 1 would leave nothing to train on")
    if recipe.shards.target_shard_text_bytes is not None and not recipe.shards.is_text:
        raise RecipeError("shards.target_shard_text_bytes: only of shards with format: text")


@dataclass(frozen=True)
class _SourceKeys:
    """The keys of a source in the YAML file."""

    reader: Any  # name of the reader, or a mapping of the name to parameters
    input: list[str]  # patterns of the input files; `**` stands for any folders
    proportion: float  # share of the tokens that are sampled in training; all add up to 1
    expected_tokens_per_input_byte: float  # a rough figure, by which shards are sized
    steps: list[Any]  # steps in order: a name, or a mapping of the name to parameters
    domains: Any = None  # parts of the source with weights of their own, below


def _source(name: str, entry: Any) -> Source:
    where = f"sources.{name}"
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
        raise RecipeError(f"{where}: a source's name is made of letters, digits and '_', '.', '-'")
    keys = _SourceKeys(**check_parameters(_SourceKeys, entry, where))
    reader_name, reader_given = _named(keys.reader, f"{where}.reader")
    reader = _reader(reader_name, where)
    place = f"{where}.reader.{reader_name}"
    options = None
    if reader.join is None:
        parameters = check_parameters(reader.read, reader_given, place, READER_PARAMETERS)
        try:
            if reader.check is not None:
                reader.check(**parameters)
        except ValueError as error:
            raise RecipeError(f"{place}: {error}") from None
    else:
        parameters = {}
        given = check_parameters(reader.join.options, reader_given, place)
        try:
            options = reader.join.options(**given)
        except ValueError as error:
            raise RecipeError(f"{place}: {error}") from None
    if not keys.input:
        raise RecipeError(f"{where}.input: expected at least one pattern")
    for key in ("proportion", "expected_tokens_per_input_byte"):
        if getattr(keys, key) <= 0:
            raise RecipeError(
                f"{where}.{key}: expected a number above 0, found {getattr(keys, key)}"
            )
    return Source(
        name=name,
        reader=reader,
        reader_name=reader_name,
        reader_parameters=parameters,
        reader_options=options,
        input=tuple(keys.input),
        proportion=keys.proportion,
        expected_tokens_per_input_byte=keys.expected_tokens_per_input_byte,
        steps=tuple(_step(step, f"{where}.steps[{i}]") for i, step in enumerate(keys.steps)),
        domains=None if keys.domains is None else domains_from(keys.domains, f"{where}.domains"),
    )


def _reader(name: str, where: str) -> Reader:
    reader = READERS.get(name)
    if reader is None and "." in name:
        reader = _import(name, where, "reader")
        if not isinstance(reader, Reader):
            raise RecipeError(f"{where}: {name!r} is no Reader (pipeline/readers/__init__.py)")
    if reader is None:
        raise RecipeError(f"{where}: unknown reader {name!r}{nearest(name, READERS)}")
    return reader


def _named(entry: Any, where: str) -> tuple[str, Mapping[str, Any]]:
    """Parse `name` or `name: {parameters}`; returns the name and the parameters."""
    if isinstance(entry, str):
        return entry, {}
    if isinstance(entry, Mapping) and len(entry) == 1:
        ((name, parameters),) = entry.items()
        return str(name), {} if parameters is None else parameters
    raise RecipeError(f"{where}: expected 'name' or 'name: {{parameters}}', found {entry!r}")


def _step(entry: Any, where: str) -> Step:
    name, given = _named(entry, where)
    target = find_step(name, where)
    place = f"{where}.{name}"
    step = Step(name, target, check_parameters(target, given, place))
    if step.is_deduplication:
        try:
            target(**step.parameters)
        except ValueError as error:
            raise RecipeError(f"{place}: {error}") from None
    return step


def find_step(name: str, where: str) -> Callable[..., Any]:
    """Return the function, or the kind of deduplication, that a recipe names.

    ``where`` is the place in the recipe, for the message. Raises RecipeError where there is none.
    """
    target = STEPS.get(name)
    if target is None and "." in name:
        target = _import(name, where, "step")
        if not callable(target):
            raise RecipeError(f"{where}: {name!r} is no function")
        if inspect.isclass(target) and not issubclass(target, Deduplication):
            raise RecipeError(
                f"{where}: the class {name!r} is no Deduplication "
                "(transforms/dedup/deduplication.py)"
            )
    if target is None:
        raise RecipeError(
            f"{where}: unknown step {name!r}{nearest(name, STEPS)} "
            "(a step of your own goes by its dotted name, package.module.function)"
        )
    return target


def _import(dotted: str, where: str, what: str) -> Any:
    module_name, _, attribute = dotted.rpartition(".")
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    try:
        return getattr(importlib.import_module(module_name), attribute)
    except Exception as error:  # a user's module may raise anything
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise RecipeError(f"{where}: cannot import the {what} {dotted!r}: {said}") from None
