"""The Flask application of ``corpus serve``, for a browser on this machine.

The text of documents is not trusted: it is escaped, and a Content-Security-Policy forbids scripts.
Only GET requests are answered, and only if their Host is an address or a name of this machine. That
refuses requests from other sites whose domain name points to this machine (DNS rebinding).
"""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, abort, redirect, request, send_file
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from pipeline.files import storage
from pipeline.inspection.browser.asked import KEPT, NUMBERS, Asked, parse
from pipeline.inspection.browser.document import MAX_TOKENS, describe
from pipeline.inspection.browser.listing import BEGIN, PAGE_ROWS, Place, parse_place
from pipeline.inspection.browser.opened import OpenedRun
from pipeline.inspection.document_rows import DamagedFileError
from pipeline.inspection.templates import load_templates
from pipeline.output.layout import DROPPED, PARTS, REPORT_NAME, dropped_summary

POLICY = (  # Content-Security-Policy of every page but the report
    "default-src 'self'; script-src 'none'; style-src 'self'; img-src data:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
REPORT_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: "
    "blob:; font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy of the report, which also names its inline scripts by digest."""

STYLES = (
    Path(__file__).parents[2] / "report" / "templates" / "report.css",
    Path(__file__).parent / "browser.css",
)


def make_app(output: str, host: str) -> Flask:
    """Make the application for a run's output folder; ``host`` is the name it listens at."""
    run = OpenedRun(output)
    app = Flask(__name__, static_folder=None)
    templates = load_templates(Path(__file__).parent / "templates", is_html=True)

    def render(name: str, **values: Any) -> str:
        return templates.get_template(name).render(values)

    @app.before_request
    def refuse_others() -> None:
        if not _is_this_machine(request.host, host):
            abort(403, "asked for by a name that is not this machine's")

    @app.after_request
    def add_headers(response: Response) -> Response:
        response.headers.setdefault("Content-Security-Policy", POLICY)
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        response.headers["Cache-Control"] = "no-store"
        return response

    @app.errorhandler(HTTPException)
    def show_error(error: HTTPException) -> tuple[str, int]:
        return render("error.html", error=error), error.code or 500

    @app.errorhandler(ValueError)
    def show_mistake(error: ValueError) -> tuple[str, int]:
        return render(
            "error.html", error={"name": "This cannot be shown", "description": error}
        ), 404

    @app.errorhandler(DamagedFileError)
    def show_damage(error: DamagedFileError) -> tuple[str, int]:
        shown = {"name": "A file of the run is damaged", "description": error}
        return render("error.html", error=shown), 500

    def route(path: str) -> Any:
        return app.route(path, methods=["GET"], provide_automatic_options=False)

    @route("/")
    def index() -> str:
        has_report = storage.exists(storage.join(output, REPORT_NAME))
        return render(
            "index.html", output=output, sources=_sources(run.manifest), has_report=has_report
        )

    @route("/report")
    def report() -> Response:
        path = Path(output, REPORT_NAME).absolute()
        if not path.exists():
            abort(404, f"there is no report; 'corpus report {output}' writes it")
        response = send_file(path, mimetype="text/html")
        response.headers["Content-Security-Policy"] = REPORT_POLICY
        return response

    @route("/style.css")
    def style() -> Response:
        return Response("\n".join(path.read_text() for path in STYLES), mimetype="text/css")

    @route("/documents")
    def documents() -> str:
        asked = parse(request.args)
        context = _sorted_list(run, asked) if asked.sort else _list(run, asked)
        return render(
            "documents.html", asked=asked, numbers=NUMBERS, count=run.count(asked),
            sources=list(run.manifest["sources"]), parts=(KEPT, *PARTS, DROPPED),
            reasons=run.reasons, choices=run.choices(), **context,
        )  # fmt: skip

    @route("/random")
    def random() -> ResponseReturnValue:
        asked = parse(request.args)
        found = run.random(asked)
        if found is None:
            return render("nothing.html", asked=asked, on=None)
        return redirect(_address(asked, found))

    @route("/beside")
    def beside() -> ResponseReturnValue:
        asked, backwards = parse(request.args), "backwards" in request.args
        place = parse_place(request.args.get("place", ""))
        found, reached = run.beside(asked, place, backwards=backwards)
        if found is not None:
            return redirect(_address(asked, found))
        return render("nothing.html", asked=asked, on=_beside(asked, reached, backwards))

    @route("/document")
    def document() -> str:
        asked = parse(request.args)
        file, number = run.document(
            request.args.get("shard", ""), request.args.get("number", ""),
            request.args.get("id", ""),
        )  # fmt: skip
        place = run.place_of(asked, file, number)
        after = None if place is None else Place(place.file, place.row + 1)
        return render(
            "document.html", file=file, number=number, max_tokens=MAX_TOKENS, asked=asked,
            place=place, before=_beside(asked, place, True), after=_beside(asked, after, False),
            **describe(output, run.table(), file, number),
        )  # fmt: skip

    return app


def _list(run: OpenedRun, asked: Asked) -> dict[str, Any]:
    """Return what a list in the order of the files shows."""
    before = request.args.get("before")
    place = parse_place(before or request.args.get("from", str(BEGIN)))
    page = run.page(asked, place, before=before is not None)
    return {
        "documents": page.documents,
        "is_cut_short": page.is_cut_short,
        "previous": page.before and asked.address("/documents", before=page.before),
        "next": page.after and asked.address("/documents", **{"from": page.after}),
        "rest": None,
        "address": lambda one: _address(asked, one),
    }


def _sorted_list(run: OpenedRun, asked: Asked) -> dict[str, Any]:
    """Return what a list in the order of a number shows."""
    start = parse_place(request.args.get("from", str(BEGIN)))
    given = request.args.get("page", "0")
    if not given.isdecimal() or len(given) > 9:
        raise ValueError(f"{given!r} is no number of a page")
    number = int(given)
    documents, order = run.sorted_page(asked, start, number)

    def link(page: int) -> str:
        return asked.address("/documents", **{"from": start}, page=page)

    return {
        "documents": documents,
        "is_cut_short": False,
        "previous": link(number - 1) if number else None,
        "next": link(number + 1) if (number + 1) * PAGE_ROWS < len(order.rows) else None,
        "rest": order.rest and asked.address("/documents", **{"from": order.rest}),
        "address": lambda one: _address(asked, one),
    }


def _address(asked: Asked, document: dict[str, Any]) -> str:
    """Return the address of a document's page, which knows the list that it is in."""
    return asked.address("/document", shard=document["shard"], number=document["number"])


def _beside(asked: Asked, place: Place | None, backwards: bool) -> str | None:
    """Return the address that leads to the document next to a place, if there is a place."""
    if place is None or (backwards and place == BEGIN):
        return None
    return asked.address("/beside", place=place, **({"backwards": 1} if backwards else {}))


def _is_this_machine(asked: str, host: str) -> bool:
    """Tell whether a request's Host is an IP address or a name of this machine."""
    name = urlsplit(f"//{asked}").hostname or ""
    if name in ("localhost", host, socket.gethostname().lower()):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _sources(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    dropped = dict.fromkeys(manifest["sources"], 0)
    for shard in manifest["shards"]:
        dropped[shard["source"]] += dropped_summary(shard)["documents"]
    return [{"name": name, "dropped": dropped[name], **counts}
            for name, counts in manifest["sources"].items()]  # fmt: skip
