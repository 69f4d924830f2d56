"""Models and lists as the run hashed them: the one way to the path of such a file.

A command hashes them once, at its beginning. The processes that open them later, perhaps on other
machines, are told what the command found: a :class:`Seal` for each. A file with the size and time
of its seal is taken for the one that was hashed; another is hashed again. So what a process opens
is what the run notes, or the run stops. What a process knows is that of one command.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from pipeline.errors import ChangedError
from pipeline.files import storage
from pipeline.files.local_copy import is_whole_copy, local_copy

ADVICE = "put it back as it was, or run again with --start_over"
"""What to do about a model or list that has changed, for error messages."""

FILE_STATES = "file_states"
"""Key of ``run.json`` with the sizes and times of models and lists, which are not fingerprinted."""


class Seal(NamedTuple):
    """What a file must be: its digest, and how it looked when that was made, where it is known."""

    sha256: str
    n_bytes: int | None = None
    modified: float | None = None


_seals: dict[str, Seal] = {}
_seen: dict[str, storage.FileInfo] = {}  # files that were right when they were last looked at


def forget() -> None:
    """Forget what an earlier command of this process knew."""
    _seals.clear()
    _seen.clear()


def expect(seals: Mapping[str, Seal]) -> None:
    """Take seals of files, which hold in this process from now on."""
    for path, seal in seals.items():
        if _seals.get(path) != seal:
            _seals[path] = seal
            _seen.pop(path, None)


def trusted(path: str) -> str:
    """Return the path on this machine of a model or list, of which remote ones are copied here.

    Raises ChangedError where the file is not what its seal says, or, where it has none yet, not
    what it was when this process first asked for it.
    """
    copy = local_copy(path)
    seal = _seals.get(path)
    try:
        state = storage.local_info(copy)
    except FileNotFoundError:
        if seal is None and path not in _seen:
            return copy  # whoever opens it says so better
        raise ChangedError(
            f"{path} has changed since the run began: it is gone; {ADVICE}"
        ) from None
    if _seen.get(path) == state:
        return copy
    if seal is None and path in _seen:
        raise ChangedError(f"{path} was written anew while the command worked; give it again")
    if seal is not None and not _is_as_sealed(state, seal):
        raise ChangedError(
            f"{path} has changed since the run began: its SHA-256 is not {seal.sha256}; {ADVICE}"
        )
    _seen[path] = state
    return copy


def check_trusted(paths: Iterable[str]) -> None:
    """Raise ChangedError where one of the files is not what it must be."""
    for path in paths:
        trusted(path)


def sealed(path: str) -> Seal:
    """Hash a model or list. Raises ChangedError where it changes meanwhile, or has since its load.

    The size and time of a copy are those of this machine alone and are left out.
    """
    copy = trusted(path)
    state = storage.local_info(copy)
    digest = storage.sha256_of(copy)
    trusted(path)
    return Seal(digest) if storage.is_remote(path) else Seal(digest, state.n_bytes, state.modified)


def seals_of(described: Mapping[str, Any]) -> dict[str, Seal]:
    """Return the seals of the models and lists that a ``run.json`` names."""
    states = described.get(FILE_STATES, {})
    return {
        path: Seal(sha256, **states.get(path, {})) for path, sha256 in described["files"].items()
    }


def _is_as_sealed(state: storage.FileInfo, seal: Seal) -> bool:
    if (state.n_bytes, state.modified) == (seal.n_bytes, seal.modified):
        return True
    return is_whole_copy(state, seal.sha256) or storage.sha256_of(state.path) == seal.sha256


def states_of(seals: Mapping[str, Seal]) -> dict[str, Any]:
    """Return the sizes and times of files by their paths, for ``run.json``; none of copies."""
    return {
        path: {"n_bytes": seal.n_bytes, "modified": seal.modified}
        for path, seal in seals.items()
        if seal.modified is not None
    }
