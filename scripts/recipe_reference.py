"""Write docs/recipe_reference.md from the code: ``python scripts/recipe_reference.py``.

The keys are the fields of the recipe's dataclasses, with the comments beside them. Readers and
steps are shown by their signatures and docstrings.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import io
import re
import sys
import textwrap
import tokenize
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from pipeline.readers import READERS  # noqa: E402
from pipeline.recipe import recipe, sections  # noqa: E402
from pipeline.recipe.domains import DomainKeys  # noqa: E402
from pipeline.recipe.signatures import parameters_of, type_name  # noqa: E402
from transforms.registry import STEPS  # noqa: E402

PAGE = ROOT / "docs" / "recipe_reference.md"

HEAD = """\
# Recipe reference

For those who write a recipe.
Written by `python scripts/recipe_reference.py` from the code; do not edit. [recipes.md](recipes.md)
and the pages of the [sources](sources/web.md) say what the recipes here do with it, and
[adding.md](adding.md) how to write a step or a source of your own.

A recipe is a YAML file; the smallest whole one is in [adding.md](adding.md). `variables` may name
values for the rest, `${name}`; `${recipe_dir}` is the recipe's own folder, `${bundled_dir}` the one
in which the bundled `recipes` and `samples` lie, and other relative paths are taken from the folder
of the command. `--set NAME=VALUE` fills a variable or overrides any value by its dotted name. Every
key is required unless it has a default here.
"""


def comments_of(cls: type[Any]) -> dict[str, str]:
    """Return the comment beside each field of a dataclass, of those it is made of as well."""
    comments: dict[str, str] = {}
    for one in reversed(cls.__mro__):
        if dataclasses.is_dataclass(one):
            comments |= _own_comments(one)
    return comments


def _own_comments(cls: type[Any]) -> dict[str, str]:
    source = textwrap.dedent(inspect.getsource(cls))
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    by_line = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokens
        if token.type == tokenize.COMMENT
    }
    (definition,) = ast.parse(source).body
    assert isinstance(definition, ast.ClassDef)
    return {
        field.target.id: by_line.get(field.end_lineno or 0, "")
        for field in definition.body
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
    }


def parameter_table(target: Callable[..., Any], left_out: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the lines of a table of a function's or dataclass's keyword parameters."""
    comments = comments_of(target) if inspect.isclass(target) else {}
    signature = inspect.signature(target).parameters
    rows = []
    for name, (annotation, required) in parameters_of(target).items():
        if name not in left_out:
            default = "" if required else f"`{_yaml(signature[name].default)}`"
            key = name.removesuffix("_")  # ``as`` is no name in Python
            cells = [f"`{key}`", type_name(annotation), default]
            rows.append([*cells, comments[name]] if any(comments.values()) else cells)
    if rows:
        columns = ["parameter", "type", "default", *([""] if len(rows[0]) > 3 else [])]
        yield f"| {' | '.join(columns)} |"
        yield f"|{' --- |' * len(columns)}"
        yield from (f"| {' | '.join(row)} |" for row in rows)
        yield ""


def _yaml(value: Any) -> str:
    return {None: "null", True: "true", False: "false"}.get(value, str(value))


def described(target: Callable[..., Any]) -> Iterator[str]:
    """Yield a docstring as Markdown."""
    text = inspect.getdoc(target) or ""
    text = re.sub(r":\w+:`~?([^`]+)`", r"``\1``", text)
    yield text.replace("``", "`").replace("::\n", ":\n")
    yield ""


def page() -> str:
    """Return the whole page."""
    lines = [HEAD, "## The recipe", ""]
    comments = comments_of(recipe.Recipe)
    lines += ["| key | | |", "| --- | --- | --- |",
              f"| `token_budget` | integer | {comments['token_budget']} |",
              f"| `opt_out` | file or null, which is the default | {comments['opt_out']} |",
              "| `tokenizer`, `shards`, `reading` | mappings | below |",
              "| `sources` | mapping | of a source's name to the source |",
              "| `deduplications` | list, by default empty | [across sources](dedup.md) |",
              ""]  # fmt: skip
    for name, cls in (("tokenizer", sections.Tokenizer), ("shards", sections.Shards),
                      ("reading", sections.Reading), ("A source", recipe._SourceKeys),
                      ("Domains of a source", DomainKeys)):  # fmt: skip
        title = f"`{name}`" if name.islower() else name
        lines += [f"## {title}", "", *described(cls), *parameter_table(cls)]
    lines += ["## Readers", ""]
    for name, reader in sorted(READERS.items()):
        lines += [f"### `{name}`", "", *described(reader.read)]
        if reader.join is None:
            lines += parameter_table(reader.read, recipe.READER_PARAMETERS)
        else:
            lines += parameter_table(reader.join.options)
    lines += ["## Steps", ""]
    for name, step in sorted(STEPS.items()):
        module = step.__module__.replace(".", "/")
        lines += [f"### `{name}`", "", f"In `{module}.py`.", "", *described(step)]
        lines += parameter_table(step)
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
