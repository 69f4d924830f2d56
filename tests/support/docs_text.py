"""Parser of the pages of the root and of docs/: their commands, files, links and names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("aws ", "bq ", "corpus ", "curl ", "docker ", "gcloud ", "hf ", "make ", "mkdir ",
            "pip ", "printf ", "py-spy ", "pyinstrument ", "python ", "python3.11 ", "rsync ",
            "run ", "sbatch ", "torchrun ", "scripts/", "$SPARK_HOME/", ".venv/bin/")  # fmt: skip
"""Beginnings of lines that are commands. Other lines of a block are output of a command."""

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ENVIRONMENT = re.compile(r"(\w+=(\"[^\"]*\"|\S*) )*")
_FILE_NAME = re.compile(r"# ([\w/.-]+\.\w+)\n")


class Command(NamedTuple):
    """A command of a page, joined to one line."""

    text: str


class File(NamedTuple):
    """A file that a page shows whole, in a block whose first line is a comment with its name."""

    name: str
    text: str


def pages() -> list[Path]:
    """Return README.md, the pages of docs/ and the other pages of the root, relative to it."""
    first = Path("README.md")
    docs = sorted(p.relative_to(ROOT) for p in (ROOT / "docs").rglob("*.md"))
    others = sorted({p.relative_to(ROOT) for p in ROOT.glob("*.md")} - {first})
    return [first, *docs, *others]


def actions(page: Path) -> Iterator[Command | File]:
    """Yield the commands and files of a page's fenced blocks, in order.

    A command is in a block without a language. It begins a line, may continue after a backslash,
    and ends before two spaces or a comment, after which the page explains it.
    """
    for language, text in _FENCE.findall((ROOT / page).read_text()):
        if named := _FILE_NAME.match(text):
            yield File(named[1], text)
        elif language in ("", "sh", "bash"):
            for line in re.sub(r"\\\n\s*", "", text).splitlines():
                if line[_ENVIRONMENT.match(line).end() :].startswith(PROGRAMS):  # type: ignore[union-attr]
                    yield Command(re.split(r"\s{2,}|\s+#\s", line, maxsplit=1)[0].strip())


def commands(page: Path) -> list[str]:
    """Return the commands of a page's blocks."""
    return [action.text for action in actions(page) if isinstance(action, Command)]


def _prose(page: Path) -> str:
    return _FENCE.sub("", (ROOT / page).read_text())


def inline_code(page: Path) -> list[str]:
    """Return the texts between backticks outside of blocks, each in one line."""
    return [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", _prose(page))]


def links(page: Path) -> list[str]:
    """Return the targets of links within the project, without the part after a ``#``."""
    targets = re.findall(r"\]\(([^)\s]+)\)", _prose(page))
    return [t.split("#")[0] for t in targets if not re.match(r"[a-z]+:|#", t)]
