"""What is said and kept of an error that stopped a command."""

from __future__ import annotations

import os
import re
import tempfile
import traceback
from pathlib import Path

import grpc

from pipeline.errors import ERROR_NAME
from pipeline.output import whole_files

MAX_REASON_CHARS = 300


AROUND = r"^[\w.]*\bStepError: | \[while running '[^']*'\]$"
"""What Python and Beam put around the line of a step's error."""


JAVA_PLACE = r"at \S+\(|\.\.\. \d+ more$|Driver stacktrace:$"


def note_stop(output: str, error: Exception) -> str:
    """Write the traceback of what stopped a command to its output; return the line to print."""
    whole = "".join(traceback.format_exception(error))
    more = f"{output}/{ERROR_NAME} has more"
    try:
        whole_files.write_bytes(output, ERROR_NAME, whole.encode())
    except Exception:  # a full disk, say, which may be what stopped the command
        name = Path(tempfile.gettempdir(), f"llama-corpus-{os.getpid()}-{ERROR_NAME}")
        try:
            name.write_text(whole)
            more = f"{name} has more"
        except OSError:
            more = "there was no room for more"
    return (
        f"error: the run stopped: {_reason(error)} ({more}). "
        "Once that is mended, the same command goes on from here"
    )


def _reason(error: Exception) -> str:
    """Return the last line of what an error says, but for the places of a Java stack trace."""
    if isinstance(error, grpc.FutureTimeoutError):
        return "no job server answers: is one at the address that --job_endpoint gives?"
    text = str(error)
    if isinstance(error, grpc.Call):
        if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
            return (
                "the job server is gone: it, or a worker process that it waits for, was killed, or "
                "Java's memory ran out (docs/spark.md, Memory)"
            )
        text = error.details() or text
    lines = [line.strip() for line in text.splitlines()]
    said = [line for line in lines if line and not re.match(JAVA_PLACE, line)]
    if (said and "StepError: " in said[-1]) or type(error).__name__ == "StepError":
        return re.sub(AROUND, "", said[-1])  # which is short already, but for its paths
    return said[-1][:MAX_REASON_CHARS] if said else repr(error)
