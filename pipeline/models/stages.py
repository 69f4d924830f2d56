"""A model made in stages, each a file that is written whole and kept, so that a stop costs little.

The output folder of such a command holds ``training.json``, what the model is made with. The same
command given again goes on from the first stage whose file is not there. As long as no stage of the
training itself is there, other parameters may be given; the sample of documents looks after itself.
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


def open_training(
    output: str, described: Mapping[str, Any], stages: Iterable[str], start_over: bool
) -> None:
    """Make sure that the folder ``output`` holds the making of this model or nothing.

    ``stages`` are the files that the training writes. Raises RunError where one was made otherwise,
    where the folder holds something else, or where it is not local: the programs that train models
    write to local files.
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
    """Give a path to write to, and the file its name ``output/name`` when the block has ended."""
    temporary = Path(output, whole_files.TEMPORARY_FOLDER, name)
    temporary.parent.mkdir(parents=True, exist_ok=True)
    yield temporary
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(Path(output, name))
