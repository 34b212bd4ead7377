"""A page of a report as PDF, for those who file paper.

WeasyPrint sets the same HTML; it needs Pango (on Debian: ``libpango-1.0-0 libpangoft2-1.0-0``).
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from pathlib import Path

PAPER = """
@page { size: A4; margin: 16mm 14mm 18mm; @bottom-right {
  content: counter(page) " / " counter(pages); font: 9px sans-serif; color: #666; } }
body { font-size: 10.5px; background: #fff; }
main { padding: 0; max-width: none; }
section { margin-top: 20px; }
.answers { display: block; }
.answers li { display: block; margin-bottom: 8px; break-inside: avoid; }
.answers p { font-size: 12px; }
.charts { display: block; }
.chart { margin-bottom: 10px; break-inside: avoid; }
table, thead th { font-size: 9.5px; }
.answers h2, .answers b { font-size: 11px; }
tr { break-inside: avoid; }
"""


class PrintError(Exception):
    """PDFs cannot be made on this machine: what is missing."""


def write_pdf(html: str, path: Path) -> None:
    """Print a page of `controller.evaluation.pieces.document`.

    Raises
    ------
    PrintError
        WeasyPrint or the libraries that it needs are not there.
    """
    try:
        from weasyprint import HTML
    except (ImportError, OSError) as error:
        raise PrintError(
            f"no PDF was made: {error}. Install WeasyPrint and Pango (on Debian: "
            "libpango-1.0-0 libpangoft2-1.0-0), or print the HTML page from a browser."
        ) from None
    temporary = path.with_suffix(".new")
    HTML(string=on_paper(html)).write_pdf(temporary)
    temporary.replace(path)


def on_paper(html: str) -> str:
    """A page with the rules for paper behind its own, and its charts with theirs inside them.

    A reader's style sheet would give way to the page's; and WeasyPrint draws an SVG by the rules
    that stand in it alone.
    """
    page = html.replace("</style>", f"{PAPER}</style>", 1)
    return re.sub(r"<svg\b[^>]*>", lambda found: f"{found[0]}<style>{_drawn()}</style>", page)


@cache
def _drawn() -> str:
    """The rules of charts, with the colours of the light page written out."""
    sheet = (files("controller.evaluation") / "page.css").read_text(encoding="utf-8")
    light = dict(re.findall(r"--([\w-]+): ([^;]+);", sheet[: sheet.index("@media")]))
    rules = re.findall(r"(?m)^\.(?:line|band|limit|grid|tick|cross)\b[^{]*\{[^}]*\}", sheet)
    return re.sub(r"var\(--([\w-]+)\)", lambda found: light[found[1]], "\n".join(rules))
