"""Recipes as files: YAML, its variables, and the settings of a command line."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from pipeline.errors import RecipeError, nearest
from pipeline.files import storage
from pipeline.files.local_copy import local_copy
from pipeline.recipe.recipe import Recipe, Tokenizer, recipe_from_mapping, step_name
from tokenizer.encode import check_model

WHENCE = {
    "bucket_by_perplexity": "'corpus train-lm' makes it",
    "classify": "'corpus train-classifier' makes it",
    "classify_top": "'corpus train-classifier' makes it",
    "identify_language": "fastText publishes lid.176.ftz",
    "keep_cited": "'corpus cited-urls' makes it",
    "score_perplexity": "'corpus train-lm' makes it",
}
"""Where the models of a step come from."""

TOKENIZER_WHENCE = "'corpus train-tokenizer' makes it"


class _Loader(yaml.SafeLoader):
    """YAML's safe loader, that refuses a key given twice instead of taking the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                line = key_node.start_mark.line + 1
                raise RecipeError(f"line {line}: the key {key!r} is given twice")
            seen.add(key)
        return super().construct_mapping(node, deep)


def load_recipe(
    path: str, settings: Sequence[str] = (), sources: Sequence[str] | None = None, *,
    check_files: bool = True,
) -> Recipe:  # fmt: skip
    """Read a recipe, with ``NAME=VALUE`` settings applied, and check all of it.

    A setting fills a variable, or overrides a value by its dotted name
    (``sources.c4.proportion=0.2``, a step by its name: ``sources.c4.steps.drop_short.min_chars``).
    ``sources`` keeps some of the sources; proportions are then scaled to add up to one. The files
    that the recipe names must be there and hold what their steps want, but without ``check_files``,
    for a command that makes some of them. Raises :class:`RecipeError`, whose text is one line.
    """
    if not storage.exists(path) or storage.is_folder(path):
        raise RecipeError(f"{path}: there is no such recipe; give one with --recipe FILE")
    try:
        raw = yaml.load(storage.read_bytes(path).decode(), _Loader)  # a SafeLoader
    except RecipeError as error:
        raise RecipeError(f"{path}: {error}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(raw, dict):
        raise RecipeError(f"{path}: expected a mapping of keys to values at the top")
    raw = _unshared(raw)
    variables = dict(raw.pop("variables", None) or {})
    variables["recipe_dir"] = path.rsplit("/", 1)[0] if "/" in path else "."
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise RecipeError(f"--set {setting}: expected NAME=VALUE")
        if name in variables:
            variables[name] = value
        else:
            try:
                parsed = yaml.safe_load(value)
            except yaml.YAMLError as error:
                said = " ".join(str(error).split())
                raise RecipeError(f"--set {setting}: the value is not YAML: {said}") from None
            _override(raw, name.split("."), parsed, variables, f"--set {setting}")
    try:
        chosen = raw if sources is None else _select(raw, sources)
        recipe = recipe_from_mapping(_fill(chosen, variables, ""))
    except RecipeError as error:
        raise RecipeError(f"{path}: {error}") from None
    recipe = dataclasses.replace(recipe, path=path)
    if check_files:
        check_models(recipe, path)
    return recipe


def check_models(recipe: Recipe, path: str, *, with_tokenizer: bool = True) -> None:
    """Raise RecipeError where a file that the recipe names is not there, or not what it is for.

    ``path`` is the recipe's, for the message, which says what makes such a file. Models are opened
    by the libraries that read them in the run. One in a bucket is copied to this machine for that,
    where the run finds the copy (:mod:`pipeline.files.local_copy`). Steps check their other
    parameters, too.
    """
    named = [
        (file, f"sources.{source.name}.steps.{step.name}.{key}", WHENCE.get(step.name))
        for source in recipe.sources
        for step in source.steps
        for key, file in step.named_files()
    ]
    if with_tokenizer:
        named.append((recipe.tokenizer.model, "tokenizer.model", TOKENIZER_WHENCE))
    if recipe.opt_out is not None:
        named.append((recipe.opt_out, "opt_out", "set it to null where there is no list"))
    for file, key, whence in sorted(named):
        more = f"; {whence}" if whence else ""
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
                message = _of_file(str(error), step.named_files(), WHENCE.get(step.name))
                raise RecipeError(f"{path}: {where}{message}") from None


def _check_tokenizer(tokenizer: Tokenizer, path: str) -> None:
    try:
        check_model(local_copy(tokenizer.model), bos=tokenizer.bos, eos=tokenizer.eos)
    except (ValueError, OSError) as error:
        message = _of_file(str(error), [("model", tokenizer.model)], TOKENIZER_WHENCE)
        raise RecipeError(f"{path}: tokenizer{message}") from None


def _of_file(error: str, named: Sequence[tuple[str, str]], whence: str | None) -> str:
    """Return an error with the parameter whose file it names, and what makes such a file."""
    error = " ".join(error.split())
    for key, file in named:
        copy = local_copy(file)
        if copy in error:
            more = f"; give another file: {whence}" if whence else ""
            return f".{key}: {error.replace(copy, file)}{more}"
    return f": {error}"


def _override(
    raw: Any, path: list[str], value: Any, variables: Mapping[str, Any], where: str
) -> None:
    """Replace the value at a dotted path that is already there, or that has a default.

    A name on the way may hold dots itself: a step or reader of one's own does.
    """
    node, depth = raw, 0
    while True:
        index, known, n_parts = _find(node, path[depth:])
        if index is None and node is raw and path == ["opt_out"]:
            index, n_parts = "opt_out", 1
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
    """Find what the beginning of a path names: its key or place, all names, and the parts taken."""
    if isinstance(node, list):
        names = list(map(step_name, node))
    else:
        names = list(map(str, node)) if isinstance(node, dict) else []
    for n_parts in range(len(path), 0, -1):
        name = ".".join(path[:n_parts])
        if name in names:
            return (names.index(name) if isinstance(node, list) else name), names, n_parts
    return None, names, 0


def _unshared(value: Any) -> Any:
    """Copy a YAML value so that what an anchor shares can be overridden in one place alone.

    Numbers that are keys become strings, as they do in the JSON that a run stores.
    """
    if isinstance(value, dict):
        return {
            str(key) if type(key) is int else key: _unshared(item) for key, item in value.items()
        }
    if isinstance(value, list):
        return [_unshared(item) for item in value]
    return value


def _fill(value: Any, variables: Mapping[str, Any], where: str) -> Any:
    """Fill in ``${name}`` everywhere."""
    if isinstance(value, dict):
        return {k: _fill(v, variables, f"{where}.{k}".strip(".")) for k, v in value.items()}
    if isinstance(value, list):
        return [_fill(item, variables, where) for item in value]
    if not isinstance(value, str):
        return value

    def one(found: re.Match[str]) -> str:
        name = found.group(1)
        if name not in variables:
            raise RecipeError(f"{where}: unknown variable ${{{name}}}{nearest(name, variables)}")
        if variables[name] is None:
            raise RecipeError(f"{where}: the variable {name!r} is not set; give --set {name}=VALUE")
        others = {key: value for key, value in variables.items() if key != name}
        return str(_fill(variables[name], others, f"variables.{name}"))

    return re.sub(r"\$\{([^}]*)\}", one, value)


def _select(mapping: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Keep the named sources and scale their proportions to add up to one."""
    given = mapping.get("sources")
    if not isinstance(given, dict):
        return mapping
    for name in names:
        if name not in given:
            raise RecipeError(f"--sources: the recipe has no source {name!r}{nearest(name, given)}")
    kept = {name: dict(given[name]) for name in given if name in names}
    try:
        total = sum(float(source["proportion"]) for source in kept.values())
        for source in kept.values():
            source["proportion"] = float(source["proportion"]) / total
    except (TypeError, KeyError, ValueError, ZeroDivisionError):
        return {**mapping, "sources": kept}  # the check that follows says what is wrong
    return {**mapping, "sources": kept}
