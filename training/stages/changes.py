"""Stages that are changed while a run is stopped: those that have not begun may be."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from training.checkpoint import newest_whole
from training.run_folder import RUN_NAME, read_run, write_whole

OF_STAGES = ("stages", "steps", "sequence_length")
"""What of a run's identity follows from its stages."""


def take_changed_stages(run: Path, identity: Mapping[str, Any]) -> str | None:
    """Take stages that have not begun into the identity of the run in a folder.

    A stage has begun if the newest checkpoint is behind its first step. Returns a line that says
    what changed, None where nothing did, or where there is no such run; another run is left to
    :func:`training.run_folder.claim`. Raises ValueError where a stage changed that has begun.
    """
    if not (run / RUN_NAME).exists():
        return None
    there, here = read_run(run), json.loads(json.dumps(identity))
    if _rest(there) != _rest(here) or there.get("stages") == here.get("stages"):
        return None
    if "stages" not in there or "stages" not in here:
        return None
    done_steps = newest_whole(run) or 0
    begun = _begun(there["stages"], done_steps)
    for number, stage in enumerate(there["stages"][:begun]):
        now = here["stages"][number] if number < len(here["stages"]) else {}
        if changed := [name for name in stage if stage[name] != now.get(name)]:
            name = changed[0]
            raise ValueError(
                f"{run}: the stage {stage['name']} has begun, as {done_steps:,} steps are done, "
                f"and it must stay: its {name} is {stage[name]!r} there and {now.get(name)!r} here"
            )
    write_whole(
        run / RUN_NAME,
        (json.dumps(there | {name: here[name] for name in OF_STAGES}, indent=1) + "\n").encode(),
    )
    changed_names = [
        stage["name"] for stage in here["stages"][begun:] if stage not in there["stages"][begun:]
    ]
    gone = [
        stage["name"]
        for stage in there["stages"][begun:]
        if stage["name"] not in {one["name"] for one in here["stages"]}
    ]
    parts = []
    if changed_names:
        parts.append(f"{', '.join(changed_names)} new or changed")
    if gone:
        parts.append(f"{', '.join(gone)} gone")
    return f"stages that have not begun are others than before: {'; '.join(parts) or 'their order'}"


def _rest(identity: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in identity.items() if name not in OF_STAGES}


def _begun(stages: Sequence[Mapping[str, Any]], done_steps: int) -> int:
    """Return how many stages have begun when some steps are done."""
    begun, first = 0, 0
    for stage in stages:
        if first >= done_steps:
            break
        begun, first = begun + 1, first + stage["steps"]
    return begun
