"""Differences between two runs: recipe, models, code of steps, inputs. Imports no Beam."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.files import storage
from pipeline.output.layout import Split, read_plan

MAX_NAMED = 5
"""Most files of changed code that are named."""


def what_changed(
    old: dict[str, Any],
    new: dict[str, Any],
    output: str,
    plan: list[Split],
    *,
    with_times: bool = True,
) -> list[str]:
    """Return the differences between the run in ``output`` and another, a line each.

    ``old`` is the ``run.json`` of the run in ``output``; ``new`` and ``plan`` are the other's. With
    ``with_times``, an input file differs too where only its time of modification does. Two paths
    to one file are the same.
    """
    old, new = resolved(old), resolved(new)
    changes = []
    if old["version"] != new["version"]:
        changes.append(f"llama-corpus was version {old['version']}, is now {new['version']}")
    changes += differences(old["recipe"], new["recipe"], "recipe")
    changes += differences(old["files"], new["files"], "model")
    changes += differences(old["own_steps"], new["own_steps"], "code of")
    changes += _changed_code(old.get("code"), new.get("code"))
    before = {(s.name, s.start): s for s in read_plan(output)}
    now = {(s.name, s.start): s for s in plan}
    changes += [f"input {name} is new" for name, _ in sorted(set(now) - set(before))]
    changes += [f"input {name} is gone" for name, _ in sorted(set(before) - set(now))]
    for key in sorted(set(now) & set(before)):
        if now[key].n_bytes != before[key].n_bytes:
            changes.append(
                f"input {key[0]} had {before[key].n_bytes} bytes, has {now[key].n_bytes}"
            )
        elif with_times and _is_anew(before[key], now[key]):
            changes.append(f"input {key[0]} was written anew")
    return changes


def resolved(described: dict[str, Any]) -> dict[str, Any]:
    """Return the description of a run with all paths of this machine absolute, without links."""
    paths = {*described["files"], *_inputs(described["recipe"])}
    true = {path: one_path(path) for path in paths}
    files = {true[path]: digest for path, digest in described["files"].items()}
    return {**described, "recipe": _with_paths(described["recipe"], true), "files": files}


def _inputs(recipe: Mapping[str, Any]) -> Iterator[str]:
    """Yield the patterns of a recipe's inputs."""
    for source in recipe.get("sources", {}).values():
        yield from source.get("input", [])


def one_path(path: str) -> str:
    """Return the path, or pattern, that all spellings of it on this machine have in common.

    It has no links and dots. Remote paths stay as they are.
    """
    if storage.is_remote(path):
        return path
    return str(Path(path).resolve()) + ("/" if path.endswith("/") else "")


def _with_paths(value: Any, true: Mapping[str, str]) -> Any:
    """Return a plain value with paths in the place of those that they are the same as."""
    if isinstance(value, dict):
        return {key: _with_paths(item, true) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_paths(item, true) for item in value]
    return true.get(value, value) if isinstance(value, str) else value


def _changed_code(old: dict[str, str] | None, new: dict[str, str] | None) -> list[str]:
    """Name the files of the package, and the modules of the user's, that are not what they were."""
    if old is None and new is not None:
        return ["which code made it is not known: it is of an older version"]
    old, new = old or {}, new or {}
    names = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
    own = [name for name in names if "/" not in name]
    package = [name for name in names if "/" in name]
    changes = [f"the code of {name} has changed" for name in own]
    if package:
        more = f" and {len(package) - MAX_NAMED} more" if len(package) > MAX_NAMED else ""
        listed = ", ".join(package[:MAX_NAMED])
        changes.append(f"the code of llama-corpus has changed: {listed}{more}")
    return changes


def _is_anew(before: Split, now: Split) -> bool:
    """Tell by the checksums of remote files, which know better, and by the times of others."""
    if before.checksum is not None and now.checksum is not None:
        return before.checksum != now.checksum
    return before.modified != now.modified


def differences(old: Any, new: Any, where: str) -> list[str]:
    """Return the differences between two plain values, a line each with its place."""
    if old == new:
        return []
    if isinstance(old, dict) and isinstance(new, dict):
        lines = []
        for key in sorted({*old, *new}):
            if key not in new:
                lines.append(f"{where}.{key} is gone")
            elif key not in old:
                lines.append(f"{where}.{key} is new")
            else:
                lines += differences(old[key], new[key], f"{where}.{key}")
        return lines
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [
            line
            for i, (a, b) in enumerate(zip(old, new, strict=True))
            for line in differences(a, b, f"{where}[{i}]")
        ]
    return [f"{where} was {_short(old)}, is now {_short(new)}"]


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
