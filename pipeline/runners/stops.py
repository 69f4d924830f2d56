"""The message about an error that stopped a command, and the file with its traceback."""

from __future__ import annotations

import os
import re
import tempfile
import traceback
from pathlib import Path

import grpc

from pipeline.errors import ERROR_NAME, TOLD_ERRORS
from pipeline.output import whole_files

MAX_REASON_CHARS = 300
"""Longest reason printed, in characters."""

WRAPPING = rf"^[\w.]*\b({'|'.join(TOLD_ERRORS)}): | \[while running '[^']*'\]$"
"""Pattern of what Python and Beam put before and after the message of such an error."""

JAVA_STACK_LINE = r"at \S+\(|\.\.\. \d+ more$|Driver stacktrace:$"
"""Pattern of the beginning of a line of a Java stack trace."""


def note_stop(output: str, error: Exception) -> str:
    """Write an error's traceback to the command's output folder; return the line to print."""
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
    """Return the last line of an error's message that is not part of a Java stack trace."""
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
    messages = [line for line in lines if line and not re.match(JAVA_STACK_LINE, line)]
    last = messages[-1] if messages else ""
    if any(f"{name}: " in last for name in TOLD_ERRORS) or type(error).__name__ in TOLD_ERRORS:
        return re.sub(WRAPPING, "", last)
    return messages[-1][:MAX_REASON_CHARS] if messages else repr(error)
