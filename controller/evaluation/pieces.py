"""What the pages of all reports are made of: one file each that needs nothing else."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Any

from controller.charts import Chart, draw

Row = Sequence[str]


def document(title: str, body: str) -> str:
    """A whole page around ``body``."""
    here = files("controller.evaluation")
    style = (here / "page.css").read_text(encoding="utf-8")
    script = (here / "page.js").read_text(encoding="utf-8")
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="color-scheme" content="light dark">\n<title>{text(title)}</title>\n'
        f"<style>\n{style}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n"
        f"<script>\n{script}</script>\n</body>\n</html>\n"
    )


def answers(verdicts: Iterable[Mapping[str, Any]]) -> str:
    """The first thing to read: questions, each with its answer and whether that is good."""
    cards = "".join(
        f'<li class="{"good" if v["good"] else "bad"}"><h2>{text(v["question"])}</h2>'
        f"<p>{text(v['text'])}</p><b>{'✓ as it should be' if v['good'] else '✗ look into it'}</b>"
        "</li>"
        for v in verdicts
    )
    return f'<ul class="answers">{cards}</ul>'


def charts(charts: Iterable[Chart]) -> str:
    """Charts beside and under one another."""
    return f'<div class="charts">{"".join(draw(chart) for chart in charts)}</div>'


def table(head: Sequence[str], rows: Iterable[Row], kind: str) -> str:
    """A table; a first cell that begins with two blanks is a part of the row above it."""
    cells = "".join(f'<th scope="col">{text(cell)}</th>' for cell in head)
    lines = []
    for row in rows:
        indent = ' class="part"' if row[0].startswith("  ") else ""
        first = f'<th scope="row"{indent}>{text(row[0].strip())}</th>'
        lines.append(f"<tr>{first}{''.join(f'<td>{text(cell)}</td>' for cell in row[1:])}</tr>")
    top = f"<thead><tr>{cells}</tr></thead>" if any(head) else ""
    body = f"<tbody>{''.join(lines)}</tbody>"
    return f'<div class="wide"><table class="{kind}">{top}{body}</table></div>'


def section(title: str, content: str) -> str:
    """A part of a page under its title."""
    return f"<section><h2>{text(title)}</h2>{content}</section>"


def text(text: object) -> str:
    """Text as it must stand in HTML."""
    return html.escape(str(text), quote=True)
