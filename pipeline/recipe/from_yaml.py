"""Loading of recipes from YAML files, with variables and the settings of a command line."""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.errors import RecipeError, nearest
from pipeline.files import storage
from pipeline.files.bundled import BUNDLED
from pipeline.files.local_copy import local_copy
from pipeline.files.trusted import forget, trusted
from pipeline.recipe.across import narrowed, step_name
from pipeline.recipe.parse import parse_recipe
from pipeline.recipe.recipe import Recipe, recipe_from_mapping
from pipeline.recipe.sections import Tokenizer
from tokenizer.checking import FILES_OF_FOLDER, check_tokenizer

MODEL_ORIGINS = {
    "bucket_by_perplexity": "'corpus train-lm' makes it",
    "bucket_by_score": "'corpus cutoffs' makes it",
    "classify": "'corpus train-classifier' makes it",
    "classify_top": "'corpus train-classifier' makes it",
    "deduplicate_documents": "a run with 'index: true' writes it",
    "deduplicate_lines": "a run with 'index: true' writes it",
    "identify_language": "fastText publishes lid.176.ftz",
    "keep_cited": "'corpus cited-urls' makes it",
    "score_perplexity": "'corpus train-lm' makes it",
}
"""Where the model or list of each step comes from, for error messages."""

TOKENIZER_ORIGIN = "'corpus train-tokenizer' makes it"
"""Where a tokenizer comes from, for error messages."""


KEYS_WITH_DEFAULTS = [
    ["opt_out"],
    ["reading", "keep_documents"],
    ["shards", "format"],
    ["shards", "target_shard_text_bytes"],
]
"""Keys that a command line may set although a recipe does not have them."""


def load_recipe(
    path: str, settings: Sequence[str] = (), sources: Sequence[str] | None = None, *,
    check_files: bool = True,
) -> Recipe:  # fmt: skip
    """Read a recipe, apply the ``NAME=VALUE`` settings, and check all of it.

    A setting fills a variable, or overrides a value by its dotted name: for example
    ``sources.c4.proportion=0.2``, or, with the name of a step,
    ``sources.c4.steps.drop_short.min_chars=200``. ``sources`` selects some of the sources; their
    proportions are scaled to add up to one. The files that the recipe names must exist and must
    suit their steps. ``check_files=False`` skips that check, for commands that make such files.
    Raises :class:`RecipeError` with a message of one line.
    """
    forget()  # a command begins, for which files are what they are now
    if not storage.exists(path) or storage.is_folder(path):
        raise RecipeError(f"{path}: there is no such recipe; give one with --recipe FILE")
    raw = _parsed(path, path)
    if not isinstance(raw, dict):
        raise RecipeError(f"{path}: expected a mapping of keys to values at the top")
    variables = dict(raw.pop("variables", None) or {})
    variables["recipe_dir"] = path.rsplit("/", 1)[0] if "/" in path else "."
    variables["bundled_dir"] = str(BUNDLED)
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise RecipeError(f"--set {setting}: expected NAME=VALUE")
        if name in variables:
            variables[name] = value
        else:
            try:
                parsed = parse_recipe(value)
            except RecipeError as error:
                raise RecipeError(f"--set {setting}: the value: {error}") from None
            _override(raw, name.split("."), parsed, variables, f"--set {setting}")
    try:
        chosen = raw if sources is None else _select(raw, sources)
        filled = _with_weights(_fill(chosen, variables, ""))
        _name_tokenizer_file(filled)
        recipe = recipe_from_mapping(filled)
    except RecipeError as error:
        raise RecipeError(f"{path}: {error}") from None
    recipe = dataclasses.replace(recipe, path=path)
    if check_files:
        check_models(recipe, path)
    return recipe


def _name_tokenizer_file(mapping: Any) -> None:
    """Put the file of a tokenizer in the place of a folder that has one."""
    tokenizer = mapping.get("tokenizer") if isinstance(mapping, dict) else None
    if not isinstance(tokenizer, dict):
        return
    folder = tokenizer.get("model")
    if isinstance(folder, str) and folder:
        tokenizer["model"] = tokenizer_file(folder)


def tokenizer_file(path: str) -> str:
    """Return the tokenizer's file of a folder that has one, any other path as it is."""
    if not storage.is_folder(path):
        return path
    files = (storage.join(path, name) for name in FILES_OF_FOLDER)
    return next(filter(storage.exists, files), path)


def check_models(recipe: Recipe, path: str, *, with_tokenizer: bool = True) -> None:
    """Raise RecipeError if a file that the recipe names is missing or of the wrong kind.

    ``path`` is the recipe's path, for the message, which also says how to get such a file. Models
    are opened with the libraries that the run uses. A model in a bucket is first copied to this
    machine, and the run uses that copy (:mod:`pipeline.files.trusted`). Steps check their other
    parameters too.
    """
    named = [
        (file, f"sources.{source.name}.steps.{step.name}.{key}", MODEL_ORIGINS.get(step.name))
        for source in recipe.sources
        for step in source.steps
        for key, file in step.named_files()
    ]
    with_tokenizer = with_tokenizer and not recipe.shards.is_text
    if with_tokenizer:
        named.append((recipe.tokenizer.model, "tokenizer.model", TOKENIZER_ORIGIN))
    if recipe.opt_out is not None:
        named.append((recipe.opt_out, "opt_out", "set it to null where there is no list"))
    for file, key, origin in sorted(named):
        more = f"; {origin}" if origin else ""
        if not storage.exists(file):
            raise RecipeError(f"{path}: {key}: there is no file {file}{more}")
        if storage.is_folder(file):
            raise RecipeError(f"{path}: {key}: {file} is a folder, not a file{more}")
    _check_steps(recipe, path)
    if with_tokenizer:
        _check_tokenizer(recipe.tokenizer, path)


def _check_steps(recipe: Recipe, path: str) -> None:
    for source in recipe.sources:
        for step in source.steps:
            try:
                step.check()
            except (ValueError, OSError) as error:
                where = f"sources.{source.name}.steps.{step.name}"
                message = _with_parameter(
                    str(error), step.named_files(), MODEL_ORIGINS.get(step.name)
                )
                raise RecipeError(f"{path}: {where}{message}") from None


def _check_tokenizer(tokenizer: Tokenizer, path: str) -> None:
    try:
        tell_of_library(tokenizer, trusted(tokenizer.model))
    except (ValueError, OSError) as error:
        message = _with_parameter(str(error), [("model", tokenizer.model)], TOKENIZER_ORIGIN)
        raise RecipeError(f"{path}: tokenizer{message}") from None


def tell_of_library(tokenizer: Tokenizer, copy: str) -> None:
    """Check a tokenizer by its copy here; say on stderr where the library encodes all text.

    Raises ValueError where it is none, or lacks what the section asks for.
    """
    remark = check_tokenizer(
        copy,
        bos=tokenizer.bos,
        eos=tokenizer.eos,
        special_in_text=tokenizer.special_in_text,
    )
    if remark:
        print(
            f"{tokenizer.model}: {remark}: the library tokenizers encodes all text, which takes "
            "ten times as long or more",
            file=sys.stderr,
        )


def _with_parameter(error: str, named: Sequence[tuple[str, str]], origin: str | None) -> str:
    """Return an error message for a step, prefixed with the parameter whose file it mentions.

    ``named`` are the step's files with the names of their parameters; ``origin`` says where such a
    file comes from.
    """
    error = " ".join(error.split())
    for key, file in named:
        copy = local_copy(file)
        if copy in error:
            more = f"; give another file: {origin}" if origin else ""
            return f".{key}: {error.replace(copy, file)}{more}"
    return f": {error}"


def _override(
    raw: Any, path: list[str], value: Any, variables: Mapping[str, Any], where: str
) -> None:
    """Replace the value at a dotted path of the recipe, which must have it or a default for it.

    A name in the path may itself contain dots: the names of a user's own steps and readers do.
    """
    node, depth = raw, 0
    while True:
        index, known, n_parts = _find(node, path[depth:])
        if index is None and isinstance(node, dict) and path in KEYS_WITH_DEFAULTS:
            index, n_parts = path[-1], 1
        if index is None:
            if depth == 0:
                known = [*known, *variables]
            name = ".".join(path[: depth + 1])
            raise RecipeError(f"{where}: the recipe has no {name!r}{nearest(path[depth], known)}")
        name, depth = ".".join(path[depth : depth + n_parts]), depth + n_parts
        if depth == len(path):
            node[index] = value
            return
        step = node[index]
        node = step[name] if isinstance(node, list) and isinstance(step, dict) else step


def _find(node: Any, path: list[str]) -> tuple[Any, list[str], int]:
    """Find the item of a mapping or list that the beginning of a path names.

    Returns its key or index (None if there is none), the names of all items, and how many parts of
    the path its name takes.
    """
    if isinstance(node, list):
        names = list(map(step_name, node))
    else:
        names = list(map(str, node)) if isinstance(node, dict) else []
    for n_parts in range(len(path), 0, -1):
        name = ".".join(path[:n_parts])
        if name in names:
            return (names.index(name) if isinstance(node, list) else name), names, n_parts
    return None, names, 0


def _with_weights(mapping: dict[str, Any]) -> dict[str, Any]:
    """Put the weights of domains that a file has in the place of its name: a run keeps them."""
    sources = mapping.get("sources")
    for name, entry in sources.items() if isinstance(sources, dict) else ():
        domains = entry.get("domains") if isinstance(entry, dict) else None
        for key in ("weights", "shares"):
            if isinstance(domains, dict) and isinstance(file := domains.get(key), str):
                domains[key] = _weights_in(file, f"sources.{name}.domains.{key}")
    return mapping


def _weights_in(file: str, where: str) -> Any:
    if not storage.exists(file) or storage.is_folder(file):
        raise RecipeError(f"{where}: there is no file {file}")
    return _parsed(file, f"{where}: {file}")


def _parsed(file: str, where: str) -> Any:
    """Parse a file of YAML; ``where`` begins the message of the RecipeError that it raises."""
    try:
        return _unshared(parse_recipe(storage.read_bytes(file).decode()))
    except RecipeError as error:
        raise RecipeError(f"{where}: {error}") from None
    except UnicodeDecodeError as error:
        raise RecipeError(f"{where}: not YAML: {error}") from None


def _unshared(value: Any) -> Any:
    """Copy a YAML value deeply, so that an override changes one use of an anchor only.

    Integer keys become strings, as in the JSON that a run stores.
    """
    if isinstance(value, dict):
        return {
            str(key) if type(key) is int else key: _unshared(item) for key, item in value.items()
        }
    if isinstance(value, list):
        return [_unshared(item) for item in value]
    return value


def _fill(value: Any, variables: Mapping[str, Any], where: str) -> Any:
    """Replace every ``${name}`` in a value by the variable; ``where`` is for messages."""
    if isinstance(value, dict):
        return {k: _fill(v, variables, f"{where}.{k}".strip(".")) for k, v in value.items()}
    if isinstance(value, list):
        return [_fill(item, variables, where) for item in value]
    if not isinstance(value, str):
        return value

    def value_of(reference: re.Match[str]) -> str:
        name = reference.group(1)
        if name not in variables:
            raise RecipeError(f"{where}: unknown variable ${{{name}}}{nearest(name, variables)}")
        if variables[name] is None:
            raise RecipeError(f"{where}: the variable {name!r} is not set; give --set {name}=VALUE")
        others = {key: value for key, value in variables.items() if key != name}
        return str(_fill(variables[name], others, f"variables.{name}"))

    return re.sub(r"\$\{([^}]*)\}", value_of, value)


def _select(mapping: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Select the named sources, and scale their proportions to add up to one."""
    given = mapping.get("sources")
    if not isinstance(given, dict):
        return mapping
    for name in names:
        if name not in given:
            raise RecipeError(f"--sources: the recipe has no source {name!r}{nearest(name, given)}")
    mapping = narrowed(mapping, names)
    kept = {name: dict(given[name]) for name in given if name in names}
    try:
        total = sum(float(source["proportion"]) for source in kept.values())
        for source in kept.values():
            source["proportion"] = float(source["proportion"]) / total
    except (TypeError, KeyError, ValueError, ZeroDivisionError):
        return {**mapping, "sources": kept}  # the check that follows says what is wrong
    return {**mapping, "sources": kept}
