"""Checks of a recipe's parameters against the signature of the function or class they are for.

Dataclasses of settings, readers and steps declare their parameters in their signature alone. Where
a recipe does not fit it, the error names the place, the expected type and the nearest spelling.
"""

from __future__ import annotations

import inspect
import keyword
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pipeline.errors import RecipeError, nearest
from pipeline.recipe.bounds import crossed_limits, expected_number
from transforms.documents import FilePath


def parameters_of(target: Callable[..., Any]) -> dict[str, tuple[Any, bool]]:
    """Return the type of each keyword parameter, and whether it is required.

    Positional parameters of functions (a step's batch, a reader's stream) are not set by a recipe
    and are left out. For a dataclass, all fields count, inherited ones included.
    """
    hints = typing.get_type_hints(target)
    parameters = {}
    for name, parameter in inspect.signature(target).parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY or inspect.isclass(target):
            required = parameter.default is parameter.empty
            parameters[name] = (hints.get(name, Any), required)
    return parameters


def check_parameters(
    target: Callable[..., Any], given: Mapping[str, Any], where: str, reserved: Iterable[str] = ()
) -> dict[str, Any]:
    """Check the names, types and ranges of ``given`` parameters; return them converted.

    ``reserved`` parameters are set by the pipeline, so a recipe must not give them. Raises
    :class:`RecipeError`.
    """
    if not isinstance(given, Mapping):
        raise RecipeError(f"{where}: expected parameters as 'name: value', found {given!r}")
    parameters = {k: v for k, v in parameters_of(target).items() if k not in set(reserved)}
    given = {_identifier(name): value for name, value in given.items()}
    for name in given:
        if name not in parameters:
            raise RecipeError(f"{where}: unknown key {name!r}{nearest(str(name), parameters)}")
    for name, (_, required) in parameters.items():
        if required and name not in given:
            raise RecipeError(f"{where}: the key {name!r} is missing")
    converted = {
        name: convert(value, parameters[name][0], f"{where}.{name}")
        for name, value in given.items()
    }
    _check_numbers(converted, where)
    return converted


def _identifier(name: Any) -> Any:
    """Return a key as the parameter that it stands for: ``as`` is ``as_`` in Python."""
    return f"{name}_" if isinstance(name, str) and keyword.iskeyword(name) else name


def _check_numbers(values: Mapping[str, Any], where: str) -> None:
    """Raise RecipeError for numbers out of the range that their names imply."""
    for name, value in values.items():
        expected = expected_number(name, value)
        if expected:
            raise RecipeError(f"{where}.{name}: expected {expected}, found {value}")
    crossed = crossed_limits(values)
    if crossed:
        low, high = crossed
        raise RecipeError(
            f"{where}.{low}: {values[low]} is over {high}, {values[high]}: nothing would stay"
        )


def convert(value: Any, expected: Any, where: str) -> Any:
    """Check a value against a type annotation, and convert whole numbers to or from floats."""
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    if expected is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        for option in arguments:
            try:
                return convert(value, option, where)
            except RecipeError:
                continue
    elif origin is typing.Literal:
        if value in arguments:
            return value
        raise RecipeError(
            f"{where}: expected one of {', '.join(map(str, arguments))}; found {value!r}"
        )
    elif origin in (list, tuple, Sequence) and isinstance(value, (list, tuple)):
        items = [convert(item, arguments[0], f"{where}[{i}]") for i, item in enumerate(value)]
        return tuple(items) if origin is tuple else items
    elif origin in (dict, Mapping) and isinstance(value, Mapping):
        return {
            convert(_key(k, arguments[0]), arguments[0], where): convert(
                v, arguments[1], f"{where}.{k}"
            )
            for k, v in value.items()
        }
    elif expected is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    elif expected is int and isinstance(value, float) and value.is_integer():
        return int(value)
    elif expected in (int, bool, str) and type(value) is expected:
        return value
    elif expected in (None, type(None)) and value is None:
        return None
    elif expected is FilePath and isinstance(value, str):
        return value
    advice = ""
    if origin in (list, tuple, Sequence) and isinstance(value, str):
        advice = f"; write [{value}] for a list of one"
    raise RecipeError(f"{where}: expected {type_name(expected)}, found {value!r}{advice}")


TYPE_NAMES = {Any: "text or mapping", str: "text", int: "integer", float: "number",
              bool: "true or false", FilePath: "file", type(None): "null"}  # fmt: skip
"""Types in the words of error messages and of the recipe reference."""


def type_name(annotation: Any) -> str:
    """Describe a type annotation in words for the author of a recipe."""
    arguments = typing.get_args(annotation)
    origin = typing.get_origin(annotation)
    if origin is typing.Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    inner = [type_name(argument) for argument in arguments]
    if origin in (typing.Union, types.UnionType):
        return " or ".join(inner)
    if len(inner) == 2:
        return f"mapping of {inner[0]} to {inner[1]}"
    if inner:
        return f"list of {inner[0]}"
    return TYPE_NAMES.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _key(key: Any, expected: Any) -> Any:
    """Return the key of a mapping, as a number where one is expected: JSON has only strings."""
    return int(key) if expected is int and isinstance(key, str) and key.isdecimal() else key
