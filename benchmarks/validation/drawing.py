"""How the pictures of ``docs/simulation.md`` look, and how they become files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.harness import ROOT

FOLDER = ROOT / "docs" / "images" / "sim"
BLUE, ORANGE, GREEN, RED, GREY, LIGHT = (
    "#1f5a99", "#d9731a", "#2b8a5e", "#b5303c", "#555b66", "#c9ced6",
)  # fmt: skip
STYLE = {
    "figure.dpi": 100,
    "font.family": "sans-serif",
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": GREY,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "axes.grid": True,
    "grid.color": "#e7eaee",
    "grid.linewidth": 0.8,
    "lines.linewidth": 1.7,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "svg.fonttype": "none",
    "svg.hashsalt": "isotherm",
    "path.simplify_threshold": 0.5,
}
PUBLISHED: dict[str, Any] = {
    "color": RED, "marker": "D", "linestyle": "none", "markersize": 5.5, "zorder": 5,
}  # fmt: skip
"""How a published point is marked, in every picture."""


@contextmanager
def picture(
    name: str, columns: int = 1, rows: int = 1, *, height: float = 3.4, **options: Any
) -> Iterator[Any]:
    """Axes to draw on; the picture is written when the block ends.

    Text stays text, so that a picture is small and can be searched; a background of its own
    keeps it legible on dark pages.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    with mpl.rc_context(STYLE):  # type: ignore[arg-type]  # keys are checked by matplotlib itself
        figure, axes = plt.subplots(
            rows, columns, figsize=(8.6, height), layout="constrained", **options
        )
        try:
            yield axes
            FOLDER.mkdir(parents=True, exist_ok=True)
            figure.savefig(FOLDER / f"{name}.svg", metadata={"Date": None}, facecolor="white")
        finally:
            plt.close(figure)
    _shorten(FOLDER / f"{name}.svg")


def _shorten(path: Path) -> None:
    """Two decimals of a point are finer than any screen; the family is named for every reader."""
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"(\d+\.\d{2})\d+", r"\1", text)
    text = text.replace("font: ", "font: ").replace("'DejaVu Sans', ", "")
    path.write_text(text, encoding="utf-8")
