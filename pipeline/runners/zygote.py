"""A process that has imported what workers need, and forks them when it is asked to.

It is started by :mod:`pipeline.runners.forked_workers`, once a command. It imports Beam's worker
and the modules that it is given, which takes seconds, and then serves requests on a socket. A fork
of it is a worker at once, and shares the memory of all that was imported. The process itself makes
no gRPC channel, starts no thread and reads no data, so that nothing is in the middle of something
when it forks. A worker serves one address of a runner after another, and keeps its caches between.
"""

from __future__ import annotations

import gc
import importlib
import logging
import os
import signal
import socket
import sys
from pathlib import Path

from pipeline.recipe.code import package_code

REQUEST_BYTES = 256
"""Longest request: FORK, or POLL with the number of a process."""

FORK = b"fork"
"""Request for a worker, sent with the socket of its orders; the answer is its process number."""

POLL = b"poll"
"""Request for a worker's exit status; the answer is empty but for a space while it runs."""

RUNNING = b" "
"""Answer about a worker that still runs."""

DONE = b"done\n"
"""A worker's answer to an order, when it has served the address to the end."""


def main() -> None:
    """Import modules, then fork workers until the socket is closed.

    The arguments are the socket's number and the modules to begin with. Standard input has the name
    of the file for all output from then on, and the other modules, a line each.
    """
    logging.basicConfig(level=logging.ERROR)
    requests = socket.socket(fileno=int(sys.argv[1]))
    for name in ("apache_beam.runners.worker.sdk_worker", *sys.argv[2:]):
        importlib.import_module(name)
    log, *modules = sys.stdin.read().split("\n")
    if not log:  # the command has ended before it had work
        return
    with Path(log).open("ab") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    for name in modules:
        importlib.import_module(name)
    package_code()  # what has been imported, however long before the command that workers serve
    gc.freeze()  # a collection in a worker leaves shared memory alone
    orders = _serve(requests)
    if orders is not None:
        requests.close()
        _work(orders)


def _serve(requests: socket.socket) -> socket.socket | None:
    """Answer requests until none can come. In a worker, return the socket of its orders."""
    statuses: dict[int, int] = {}
    while True:
        request, passed, _, _ = socket.recv_fds(requests, REQUEST_BYTES, 1)
        if not request:
            return None
        if request == FORK:
            pid = os.fork()
            if not pid:
                return socket.socket(fileno=passed[0])
            os.close(passed[0])
            requests.sendall(b"%d" % pid)
        else:
            requests.sendall(_answer(int(request.removeprefix(POLL)), statuses))


def _answer(pid: int, statuses: dict[int, int]) -> bytes:
    """Return the answer about a worker; ``statuses`` are those of the workers that have ended."""
    if pid not in statuses:
        try:
            ended, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:  # of a process before this one, which was killed
            return b"%d" % -signal.SIGKILL
        if not ended:
            return RUNNING
        statuses[pid] = os.waitstatus_to_exitcode(status)
    return b"%d" % statuses[pid]


def _work(orders: socket.socket) -> None:
    """Serve every address that is ordered, until no order can come."""
    from apache_beam.runners.worker.sdk_worker import SdkHarness

    for order in orders.makefile("rb"):
        worker, address = order.decode().split()
        harness = SdkHarness(address, worker_id=worker, state_cache_size=0)
        harness.run()
        harness._control_channel.close()
        del harness
        gc.collect()
        orders.sendall(DONE)


if __name__ == "__main__":
    main()
