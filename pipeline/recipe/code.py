"""Digests of the code that makes documents and shards: the package's own, and the user's.

A run that is stopped may be given again days later, when a step, or a module that a step imports,
has been edited. What the earlier code made must not be mixed with what the new code makes.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path

from pipeline.recipe.recipe import Recipe

ROOT = Path(__file__).resolve().parents[2]
"""Folder in which the package's own packages lie, in a checkout as where it is installed."""

ROOMS = (
    "tokenizer",
    "transforms",
    "pipeline/files",
    "pipeline/output",
    "pipeline/passes",
    "pipeline/readers",
    "pipeline/recipe",
)
"""Folders of the package whose files have a part in what a run makes of its inputs."""

_SUFFIXES = (".py", ".txt", ".yaml")
_OWN = ("beam_runner", "llama_corpus", "pipeline", "tokenizer", "training", "transforms")
_INSTALLED = tuple({sysconfig.get_path(name) for name in ("purelib", "platlib")})


@functools.cache
def package_code(root: Path = ROOT) -> Mapping[str, str]:
    """Digests of the package's files that matter, by their paths below ``root``.

    They are those of the first call in a process, and in the one that it was forked from: of the
    code that was imported then.
    """
    paths = (path for room in ROOMS for path in sorted((root / room).rglob("*")))
    return {
        path.relative_to(root).as_posix(): _digest(path.read_bytes())
        for path in paths
        if path.suffix in _SUFFIXES and "__pycache__" not in path.parts
    }


def own_code(recipe: Recipe) -> dict[str, dict[str, str]]:
    """Digests of the user's modules, for each step and reader that goes by its dotted name."""
    own: dict[str, dict[str, str]] = {}
    for source in recipe.sources:
        for step in source.steps:
            if "." in step.name:
                own[step.name] = modules_of(step.name.rpartition(".")[0], step.target.__module__)
        if "." in source.reader_name:
            module = source.reader_name.rpartition(".")[0]
            own[source.reader_name] = modules_of(module, source.reader.read.__module__)
    return own


def all_code(recipe: Recipe) -> dict[str, str]:
    """Digests of the package's files and of the user's modules, by path and by name."""
    code = dict(package_code())
    for modules in own_code(recipe).values():
        code |= modules
    return code


def code_digest(code: Mapping[str, str]) -> str:
    """Digest of the digests of some code."""
    return _digest("".join(f"{name} {code[name]}\n" for name in sorted(code)).encode())


def modules_of(*names: str) -> dict[str, str]:
    """Digests of modules and of those that they import, by name, as far as they are the user's.

    Imports are looked up in the source, those within functions and by ``import_module("name")``
    too. Modules of Python, of this package and of installed packages are left out; of installed
    packages, those that ``names`` belong to are not.
    """
    tops = {name.partition(".")[0] for name in names}
    found: dict[str, str] = {}
    waiting = [one for name in names for one in _with_parents(name)]
    seen = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        path = _file_of(name, tops)
        if path is not None:
            data = path.read_bytes()
            found[name] = _digest(data)
            if path.suffix == ".py":
                waiting += _imports(data, name, is_package=path.name == "__init__.py")
    return dict(sorted(found.items()))


def _file_of(name: str, tops: set[str]) -> Path | None:
    """Return the file of a module of the user's; None where it is none, or not there."""
    top = name.partition(".")[0]
    if top not in tops and (top in sys.stdlib_module_names or top in _OWN):
        return None
    try:
        spec = importlib.util.find_spec(name)
    except Exception:  # a parent that is no package, or raises as it is imported
        return None
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        return None
    if top not in tops and spec.origin.startswith(_INSTALLED):
        return None
    return Path(spec.origin)


def _imports(source: bytes, name: str, *, is_package: bool) -> Iterator[str]:
    """Yield the names of all that a module may import, parents included."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    package = name if is_package else name.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _with_parents(alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.rsplit(".", node.level - 1)[0]
                base = f"{above}.{base}".strip(".")
            yield from _with_parents(base)
            yield from (f"{base}.{alias.name}" for alias in node.names if alias.name != "*")
        elif isinstance(node, ast.Call) and node.args:
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            argument = node.args[0]
            value = argument.value if isinstance(argument, ast.Constant) else None
            if called in ("import_module", "__import__") and isinstance(value, str):
                yield from _with_parents(value)


def _with_parents(name: str) -> Iterator[str]:
    parts = name.split(".")
    yield from (".".join(parts[:n]) for n in range(1, len(parts) + 1) if parts[0])


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
