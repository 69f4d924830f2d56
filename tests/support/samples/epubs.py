"""Small EPUBs and other zip archives."""

from __future__ import annotations

import io
import zipfile

CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/>'
    "</rootfiles></container>"
)
PACKAGE = """<?xml version="1.0"?>
<package xmlns="http://www.idpf.org/2007/opf" version="3.0">
 <metadata xmlns:dc="http://purl.org/dc/elements/1.1/">
  <dc:title>Of the
   Sea</dc:title><dc:creator>A. Writer</dc:creator><dc:language>en</dc:language>
 </metadata>
 <manifest>
  <item id="two" href="text/part%202.xhtml" media-type="application/xhtml+xml"/>
  <item id="one" href="text/one.xhtml" media-type="application/xhtml+xml"/>
  <item id="picture" href="cover.png" media-type="image/png"/>
 </manifest>
 <spine><itemref idref="one"/><itemref idref="two"/><itemref idref="picture"/></spine>
</package>"""
PAGE = (
    '<?xml version="1.0" encoding="utf-8"?><html xmlns="http://www.w3.org/1999/xhtml"><head>'
    "<title>Not text</title></head><body><h1>{0}</h1>"
    "<p>The waves\n came <i>in</i>.</p></body></html>"
)
FILES = {
    "mimetype": "application/epub+zip",
    "META-INF/container.xml": CONTAINER,
    "OEBPS/book.opf": PACKAGE,
    "OEBPS/text/part 2.xhtml": PAGE.format("Second part"),
    "OEBPS/text/one.xhtml": PAGE.format("Première"),
}


def zipped(files: dict[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()
