"""A page of a report as PDF, for those who file paper.

WeasyPrint sets the same HTML; it needs Pango (on Debian: ``libpango-1.0-0 libpangoft2-1.0-0``).
"""

from __future__ import annotations

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
table { font-size: 9.5px; }
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
    # Behind the page's own rules: a reader's style sheet would give way to them.
    on_paper = html.replace("</style>", f"{PAPER}</style>", 1)
    HTML(string=on_paper).write_pdf(temporary)
    temporary.replace(path)
