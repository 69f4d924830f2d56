"""Main text by compiled ports of trafilatura, in an environment of their own.

Reads pages from standard input as a JSON array. For each port it writes a line of JSON: name, texts
and processor time.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable


def _etrafilatura(html: str) -> str:
    import etrafilatura

    return etrafilatura.extract(html, favor_precision=True, include_comments=False) or ""


def _rs_trafilatura(html: str) -> str:
    import rs_trafilatura

    return rs_trafilatura.extract(html, favor_precision=True).main_content or ""


PORTS: dict[str, Callable[[str], str]] = {
    "etrafilatura": _etrafilatura,
    "rs-trafilatura": _rs_trafilatura,
}


def main() -> None:
    htmls = json.load(sys.stdin)
    for name, extract in PORTS.items():
        extract(htmls[0])
        started = time.process_time()
        texts = [extract(html) for html in htmls]
        print(json.dumps([name, texts, time.process_time() - started]))


if __name__ == "__main__":
    main()
