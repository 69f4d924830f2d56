"""Write docs/recipe.schema.json from the code: ``python scripts/recipe_schema.py``.

It is a JSON Schema (2020-12) of recipes, for editors: types, descriptions and defaults of all keys,
readers and steps. Where a recipe says ``${name}``, any value may come, so a text with a variable
in it is let pass everywhere.
"""

from __future__ import annotations

import inspect
import json
import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from pipeline.readers import READERS  # noqa: E402
from pipeline.recipe import recipe, sections  # noqa: E402
from pipeline.recipe.signatures import parameters_of  # noqa: E402
from scripts.recipe_reference import comments_of  # noqa: E402
from transforms.documents import FilePath  # noqa: E402
from transforms.registry import DEDUPLICATIONS, STEPS  # noqa: E402

SCHEMA = ROOT / "docs" / "recipe.schema.json"

_VARIABLE = {"type": "string", "pattern": r"\$\{\w+\}"}
_OF_ONES_OWN = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$"
_SCALARS: dict[Any, dict[str, Any]] = {
    str: {"type": "string"}, FilePath: {"type": "string"}, bool: {"type": "boolean"},
    int: {"type": "integer"}, float: {"type": "number"}, type(None): {"type": "null"}, Any: {},
}  # fmt: skip


def schema_of(annotation: Any) -> dict[str, Any]:
    """Return the schema of the values that a type annotation allows."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [schema_of(one) for one in arguments]}
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if origin in (dict, Mapping):
        return {"type": "object", "additionalProperties": _or_variable(schema_of(arguments[1]))}
    if origin in (list, tuple, Sequence):
        return {"type": "array", "items": _or_variable(schema_of(arguments[0]))}
    return dict(_SCALARS[annotation])


def _or_variable(schema: dict[str, Any]) -> dict[str, Any]:
    if not schema or schema.get("type") == "string":
        return schema
    return {"anyOf": [schema, _VARIABLE]}


def parameters(target: Callable[..., Any], left_out: Sequence[str] = ()) -> dict[str, Any]:
    """Return the schema of the keyword parameters of a function or dataclass."""
    comments = comments_of(target) if inspect.isclass(target) else {}
    signature = inspect.signature(target).parameters
    properties: dict[str, Any] = {}
    required = []
    for name, (annotation, is_required) in parameters_of(target).items():
        if name in left_out:
            continue
        key = name.removesuffix("_")  # ``as`` is no name in Python
        properties[key] = _or_variable(schema_of(annotation))
        if comments.get(name):
            properties[key] = {"description": comments[name], **properties[key]}
        if is_required:
            required.append(key)
        else:
            properties[key] = {**properties[key], "default": signature[name].default}
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def named(
    targets: Mapping[str, tuple[str, dict[str, Any]]],
) -> dict[str, Any]:
    """Return the schema of ``name`` or ``name: {parameters}``, of descriptions and parameters."""
    bare = [name for name, (_, schema) in targets.items() if not schema["required"]]
    properties = {
        name: {"description": text, "anyOf": [schema, {"type": "null"}]}
        if not schema["required"]
        else {"description": text, **schema}
        for name, (text, schema) in targets.items()
    }
    own = {"type": ["object", "null"]}
    return {
        "anyOf": [
            {"enum": bare},
            {"type": "string", "pattern": _OF_ONES_OWN},
            {"type": "object", "properties": properties, "patternProperties": {_OF_ONES_OWN: own},
             "additionalProperties": False, "minProperties": 1, "maxProperties": 1},
        ]
    }  # fmt: skip


def across_sources() -> dict[str, Any]:
    """Return the schema of an entry of ``deduplications``."""
    kinds = {}
    for name in DEDUPLICATIONS:
        kinds[name] = parameters(STEPS[name], ("window_files",))
        kinds[name]["properties"]["sources"] = {
            "description": "the sources that are compared, the most preferred first",
            "anyOf": [{"const": "all"}, {"type": "array", "items": {"type": "string"}}],
        }
        kinds[name]["required"].append("sources")
    return {"type": "object", "properties": kinds, "additionalProperties": False,
            "minProperties": 1, "maxProperties": 1}  # fmt: skip


def _first_line(target: Callable[..., Any]) -> str:
    return (inspect.getdoc(target) or "").split("\n\n")[0].replace("\n", " ").replace("``", "`")


def schema() -> dict[str, Any]:
    """Return the schema of a recipe."""
    steps = {name: (_first_line(step), parameters(step)) for name, step in sorted(STEPS.items())}
    readers = {
        name: (
            _first_line(reader.read),
            parameters(reader.join.options)
            if reader.join
            else parameters(reader.read, recipe.READER_PARAMETERS),
        )
        for name, reader in sorted(READERS.items())
    }
    source = parameters(recipe._SourceKeys)
    source["properties"]["reader"] = named(readers)
    source["properties"]["steps"] = {"type": "array", "items": {"$ref": "#/$defs/step"}}
    comments = comments_of(recipe.Recipe)
    properties = {
        "variables": {"type": ["object", "null"], "description": "values for ${name} elsewhere"},
        "token_budget": {"description": comments["token_budget"], **_or_variable(schema_of(int))},
        "opt_out": {"description": comments["opt_out"], "type": ["string", "null"]},
        "tokenizer": parameters(sections.Tokenizer),
        "shards": parameters(sections.Shards),
        "reading": parameters(sections.Reading),
        "sources": {"type": "object", "additionalProperties": source, "minProperties": 1},
        "deduplications": {"type": "array", "items": across_sources(), "default": []},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Recipe of llama-corpus",
        "type": "object",
        "properties": properties,
        "required": ["token_budget", "tokenizer", "shards", "reading", "sources"],
        "additionalProperties": False,
        "$defs": {"step": named(steps)},
    }


def text() -> str:
    """Return the schema's file."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SCHEMA.write_text(text(), encoding="utf-8")
