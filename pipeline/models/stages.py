"""Training in stages, each of which writes a file, so that a stopped command can continue.

The output folder has ``training.json`` with the parameters and sources of the model. When the same
command is given again, it continues with the first stage whose file is missing. Other parameters
are allowed until a stage of the training itself has a file. The stage that draws the sample checks
its own parameters.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.errors import ERROR_NAME, RunError
from pipeline.files import storage
from pipeline.output import whole_files

TRAINING_NAME = "training.json"
"""Name of the file with the parameters and sources of a model."""


def open_training(
    output: str, described: Mapping[str, Any], stages: Iterable[str], start_over: bool
) -> None:
    """Open an output folder for training a model: an empty one, or one of the same training.

    ``described`` are the parameters and sources; ``stages`` are the files that the training writes.
    Raises RunError if one of them was made with other parameters, if the folder holds other files,
    or if it is not local, since the training programs write to local files.
    """
    if storage.is_remote(output):
        raise RunError(f"--output {output}: models are trained in a local folder; copy them there")
    path = Path(output, TRAINING_NAME)
    there = sorted(Path(output).iterdir()) if Path(output).exists() else []
    now = json.loads(storage.json_bytes(dict(described)))
    if path.exists() and not start_over:
        before = storage.read_json(str(path))
        changed = [key for key in {**before, **now} if before.get(key) != now.get(key)]
        if changed and any(Path(output, stage).exists() for stage in stages):
            raise RunError(
                f"{output} holds a model that was made otherwise (other {', '.join(changed)}); "
                "give another --output, or --start_over to remove what is there"
            )
    elif path.exists():
        for child in there:
            storage.remove(output, child.name)
    elif any(child.name not in (ERROR_NAME, "work") for child in there):
        raise RunError(f"{output} is not empty and holds no model; give another --output")
    whole_files.write_bytes(output, TRAINING_NAME, storage.json_bytes(now))
    whole_files.remove_temporary_files(output)


@contextmanager
def whole_file(output: str, name: str) -> Iterator[Path]:
    """Yield a temporary path to write to, and rename it to ``output/name`` after the block."""
    temporary = Path(output, whole_files.TEMPORARY_FOLDER, name)
    temporary.parent.mkdir(parents=True, exist_ok=True)
    yield temporary
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(Path(output, name))
