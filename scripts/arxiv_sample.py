"""The sample of arXiv: a bulk file with submissions that were written for this project."""

from __future__ import annotations

import io
import tarfile
from itertools import groupby
from pathlib import Path

from source_texts import sections
from web_archives import gzip_member

MONTH = "2013"
"""Year and month of the invented papers. There is no thirteenth month, so no real paper has the
same id."""

SINGLE_FILES = ("2013.00002", "2013.00005")
PDF_ONLY = "2013.00004"


def tar_of(members: dict[str, bytes]) -> bytes:
    """Return a tar archive of files, without times and owners."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def one_page_pdf(text: str) -> bytes:
    """Return a PDF of one page with a line of text."""
    drawing = f"BT /F1 18 Tf 72 720 Td ({text}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(drawing), drawing),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    pdf = b"%PDF-1.4\n"
    table = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    for number, content in enumerate(objects, 1):
        table += b"%010d 00000 n \n" % len(pdf)
        pdf += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    trailer = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
    return pdf + table + trailer % (len(objects) + 1, len(pdf))


def write_arxiv(folder: Path) -> None:
    """Write the bulk file, from ``samples/texts/arxiv.txt``."""
    submissions = {f"{MONTH}/{PDF_ONLY}.pdf": one_page_pdf("A paper without its source")}
    for paper, files in groupby(sections("arxiv.txt"), key=lambda section: section[0][0]):
        members = {path: text.encode() for (_, path), text in files}
        if paper in SINGLE_FILES:
            (content,) = members.values()
        else:
            content = tar_of(members)
        submissions[f"{MONTH}/{paper}.gz"] = gzip_member(content)
    folder.mkdir(parents=True, exist_ok=True)
    bulk = tar_of({name: submissions[name] for name in sorted(submissions)})
    (folder / f"arXiv_src_{MONTH}_001.tar").write_bytes(bulk)
