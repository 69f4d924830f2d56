"""The Flask application of ``corpus serve``, for a browser on this machine.

The text of documents is not trusted: it is escaped, and a Content-Security-Policy forbids scripts.
Only GET requests are answered, and only if their Host is an address or a name of this machine. That
refuses requests from other sites whose domain name points to this machine (DNS rebinding).
"""

from __future__ import annotations

import functools
import ipaddress
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from flask import Flask, Response, abort, request, send_file
from werkzeug.exceptions import HTTPException

from pipeline.files import storage
from pipeline.inspection.browser.document import MAX_TOKENS, describe
from pipeline.inspection.browser.listing import Place, page_before, page_from, parse_place
from pipeline.inspection.document_rows import DamagedFileError, Filter, document_files
from pipeline.inspection.manifest import load_manifest, statistics
from pipeline.inspection.piece_table import PieceTable, load_piece_table
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
FIELDS = ("source", "part", "language", "bucket", "reason", "contains")
"""Parameters of a list of documents, by which it is filtered."""

KEPT = "kept"
"""Value of ``part`` for all documents that were kept."""


def make_app(output: str, host: str) -> Flask:
    """Make the application for a run's output folder; ``host`` is the name it listens at."""
    manifest = load_manifest(output)
    app = Flask(__name__, static_folder=None)
    templates = load_templates(Path(__file__).parent / "templates", is_html=True)
    reasons = _reasons(output)

    @functools.cache
    def table() -> PieceTable | str:
        try:
            return load_piece_table(manifest)
        except ValueError as error:
            return str(error)

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
        return render("error.html", error={"name": "Not found", "description": error}), 404

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
            "index.html", output=output, sources=_sources(manifest), has_report=has_report
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
        asked = {name: request.args.get(name, "").strip() for name in FIELDS}
        if asked["reason"]:
            asked["part"] = DROPPED
        part = asked["part"] or KEPT
        if part not in (KEPT, DROPPED, *PARTS):
            raise ValueError(f"there is no part {part!r}")
        files = document_files(
            output, manifest, source=asked["source"] or None,
            parts=PARTS if part == KEPT else (part,),
        )  # fmt: skip
        wanted = Filter(
            language=asked["language"] or None, bucket=asked["bucket"] or None,
            reason=asked["reason"] or None, contains=asked["contains"] or None,
        )  # fmt: skip
        if "before" in request.args:
            page = page_before(files, wanted, parse_place(request.args["before"]))
        else:
            page = page_from(files, wanted, parse_place(request.args.get("from", str(Place(0, 0)))))

        def link(name: str, place: Place) -> str:
            kept = {name: value for name, value in asked.items() if value}
            return "/documents?" + urlencode({**kept, name: str(place)})

        return render(
            "documents.html", page=page, asked={**asked, "part": part}, link=link,
            sources=list(manifest["sources"]), parts=(KEPT, *PARTS, DROPPED), reasons=reasons,
            total=sum(file.documents for file in files) if wanted == Filter() else None,
        )  # fmt: skip

    @route("/document")
    def document() -> str:
        shard, number = request.args.get("shard", ""), request.args.get("number", "")
        has_dropped = all(DROPPED in one for one in manifest["shards"])
        parts = (*PARTS, DROPPED) if has_dropped else PARTS
        files = {file.name: file for file in document_files(output, manifest, parts=parts)}
        if shard not in files or not number.isdecimal() or len(number) > 15:
            raise ValueError("there is no such document in the run")
        if int(number) >= files[shard].documents:
            raise ValueError(f"{shard} has {files[shard].documents} documents")
        return render(
            "document.html", file=files[shard], number=int(number), max_tokens=MAX_TOKENS,
            **describe(output, table(), files[shard], int(number)),
        )  # fmt: skip

    return app


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


def _reasons(output: str) -> list[str]:
    reasons = {
        row["reason"]
        for source in statistics(output)["sources"].values()
        for row in source["funnel"]
        if row["outcome"] == "dropped"
    }
    return sorted(reasons)


def _sources(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    dropped = dict.fromkeys(manifest["sources"], 0)
    for shard in manifest["shards"]:
        dropped[shard["source"]] += dropped_summary(shard)["documents"]
    return [{"name": name, "dropped": dropped[name], **counts}
            for name, counts in manifest["sources"].items()]  # fmt: skip
