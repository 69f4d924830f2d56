"""The command ``corpus serve``, which shows a run in a browser on this machine."""

from __future__ import annotations

import argparse
import json
import logging
import socket
from typing import Any

from pipeline.commands.common import add_output_command
from pipeline.inspection.browser.address import DEFAULT_PORT


def add_commands(commands: Any) -> None:
    """Add the command to the parser of ``corpus``."""
    one = add_output_command(commands, "serve", _command_serve,
                             "open the report and the documents to a browser on this machine",
                             "0 stopped by Ctrl-C")  # fmt: skip
    one.add_argument("--port", type=int, default=DEFAULT_PORT, metavar="N",
                     help=f"port (default: {DEFAULT_PORT}; 0: any that is free)")  # fmt: skip
    one.add_argument("--host", default="127.0.0.1", metavar="HOST",
                     help="address to listen at (default: 127.0.0.1, this machine alone); there is "
                     "no password")  # fmt: skip
    one.add_argument("--open", action="store_true", help="open the browser")


def _command_serve(options: argparse.Namespace) -> int:
    from werkzeug.serving import make_server

    from pipeline.inspection.browser.app import make_app

    app = make_app(options.output, options.host)
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    try:
        listening = socket.create_server((options.host, options.port), family=family)
    except (OSError, OverflowError) as error:
        raise ValueError(f"cannot listen at {options.host}:{options.port}: {error}") from None
    with listening:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        server = make_server(options.host, options.port, app, threaded=True, fd=listening.fileno())
        name = f"[{options.host}]" if family == socket.AF_INET6 else options.host
        url = f"http://{name}:{listening.getsockname()[1]}/"
        print(json.dumps({"url": url}) if options.json else f"{url} (Ctrl-C stops it)", flush=True)
        if options.open:
            import webbrowser

            webbrowser.open(url)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass
        finally:
            server.server_close()
    return 0
