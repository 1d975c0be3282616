"""The report on paper: the page as a tagged PDF (PDF/UA-1), made by WeasyPrint, which reads no network and no file.

WeasyPrint needs Debian's pango (libpango-1.0-0, libpangoft2-1.0-0, libharfbuzz-subset0) and a font; without them there
is no PDF, and `PdfError` says so. The same page gives the same bytes.
"""

from __future__ import annotations

import ctypes.util
import importlib.util
from typing import NoReturn

SIZES = (8.2, 7.6, 7.0, 6.5)
"""Points of the text on paper: the first with which everything is on one sheet."""
PACKAGES = "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core"


class PdfError(ValueError):
    """No PDF can be made here; the message says what is missing."""


def pdf_of(page: str) -> bytes:
    """A page that stands alone as PDF, on one sheet of A4 if it can be. Raises PdfError."""
    try:
        from weasyprint import CSS, HTML  # type: ignore[import-untyped,unused-ignore]
    except (ImportError, OSError) as error:  # its libraries are loaded when it is imported
        text = str(error).split("\n")[0][:120]
        raise PdfError(f"no PDF can be made ({text}); run: apt-get install {PACKAGES}") from None
    source = HTML(string=page, url_fetcher=_refused)
    for size in SIZES:
        style = CSS(string=f"html {{ font-size: {size}pt !important }}")
        document = source.render(stylesheets=[style], pdf_variant="pdf/ua-1")
        if len(document.pages) == 1:
            break
    made: bytes = document.write_pdf(pdf_variant="pdf/ua-1")
    return made


def missing() -> str:
    """What keeps PDFs from being made, '' if nothing does; looked up, nothing is loaded."""
    if importlib.util.find_spec("weasyprint") is None:
        return "weasyprint is not installed"
    absent = [name for name in ("pango-1.0", "pangoft2-1.0", "harfbuzz-subset") if not ctypes.util.find_library(name)]
    return ", ".join(absent)


def _refused(url: str, *_: object, **__: object) -> NoReturn:
    raise ValueError(f"the report fetches nothing, also not {url[:60]}")
