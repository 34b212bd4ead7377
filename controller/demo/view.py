"""The live view of a run in a terminal; plain lines where there is no terminal.

Use it as a context manager and hand it a `LiveFrame` now and then::

    with LiveView() as view:
        view.show(frame_of(site, snapshot, ...))

It owns the screen until the block is left, by whatever way (Ctrl-C as well), and then
gives the terminal back as it was. Nothing it does touches the run.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.layout import Layout
from rich.live import Live
from rich.text import Text

from controller.demo import panels
from controller.frame import LiveFrame

WIDE = 120
"""Columns from which three columns of panels fit."""
TALL = 32
"""Rows from which the events get more than two lines."""


class LiveView:
    """Shows frames, and events once each.

    Parameters
    ----------
    console
        Where to (default: the standard output).
    line_every_s
        Plant time between status lines where the output is no terminal.
    """

    def __init__(self, console: Console | None = None, line_every_s: float = 300.0) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)
        self._line_every_s = line_every_s
        self._live: Live | None = None
        self._next_line_s = float("-inf")
        self._told: set[tuple[str, str]] = set()
        self._docs_url = ""
        self._console_url = ""
        self._progress = ""

    @property
    def interactive(self) -> bool:
        """Whether there is a terminal that can be drawn on."""
        return self._console.is_terminal and not self._console.is_dumb_terminal

    def __enter__(self) -> Self:
        if self.interactive:
            self._live = Live(
                Text(" starting"), console=self._console, screen=True, auto_refresh=False
            )
            self._live.start(refresh=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def progress(self, text: str) -> None:
        """Say what is being prepared, before there is a frame; as a line, once."""
        if self._live is not None:
            self._live.update(Text(f" {text}"), refresh=True)
        elif text != self._progress:
            self._progress = text
            self._console.print(text, markup=False)

    def show(self, frame: LiveFrame) -> None:
        """Show a frame: redraw the screen, or print what is new."""
        if self._live is not None:
            size = self._console.size
            self._live.update(render(frame, size.width, size.height), refresh=True)
            return
        for line in self._lines(frame):
            self._console.print(line, markup=False)

    def _lines(self, frame: LiveFrame) -> list[str]:
        lines = []
        if frame.run.docs_url and frame.run.docs_url != self._docs_url:
            self._docs_url = frame.run.docs_url
            lines.append(f"REST documentation: {frame.run.docs_url}")
        if frame.run.console_url and frame.run.console_url != self._console_url:
            self._console_url = frame.run.console_url
            lines.append(f"console, in a browser (the link logs in once): {frame.run.console_url}")
        for event in frame.run.events:
            if (event.kind, event.text) not in self._told:
                self._told.add((event.kind, event.text))
                lines.append(f"{panels.clock(event.time_s)} {event.kind}: {event.text}")
        if frame.time_s >= self._next_line_s:
            self._next_line_s = frame.time_s + self._line_every_s
            lines.append(status_line(frame))
        return lines


def status_line(frame: LiveFrame) -> str:
    """A frame in one line."""
    mode, _ = panels.chosen_mode(frame.modes)
    parts = [
        f"{panels.clock(frame.time_s)} {mode.value if mode else 'no mode'}",
        panels.headline(frame).plain.strip(),
        panels.saving_line(frame).plain.strip(),
    ]
    if frame.run.status:
        parts.append(frame.run.status)
    return " · ".join(parts)


def render(frame: LiveFrame, width: int, height: int) -> RenderableType:
    """The whole screen for a frame, at most ``width`` columns and ``height`` rows."""
    lines = (
        panels.banner(frame),
        panels.moment(frame),
        panels.headline(frame),
        panels.saving_line(frame),
    )
    head = Layout(Group(*lines), name="head", size=len(lines))
    foot = Layout(Group(panels.devices_line(frame), _address(frame)), name="foot", size=2)
    events_rows = 2 if height < TALL else 8
    events = Layout(
        panels.boxed(panels.events_lines(frame, events_rows), "events"),
        name="events",
        size=events_rows + 2,
    )
    body_rows = max(height - len(lines) - 2 - events_rows - 2, 3)
    screen = Layout()
    body = _wide if width >= WIDE else _narrow
    screen.split_column(head, body(frame, width, body_rows), events, foot)
    return screen


def _wide(frame: LiveFrame, width: int, rows: int) -> Layout:
    """Three columns: the hall, what cools it, the proposal."""
    inside = rows - 2
    left, middle = int(width * 0.42), int(width * 0.25)
    grid_rows = min(_rack_rows(frame), max(inside - 6, 1))
    hall = Layout(size=left)
    grid = panels.rack_grid(frame.racks, left - 4, grid_rows)
    groups = panels.groups_table(frame.groups, max(inside - grid_rows - 3, 1))
    hall.split_column(
        Layout(panels.boxed(grid, "racks, °C (X over its limit, ! near it)"), size=grid_rows + 2),
        Layout(panels.boxed(groups, "least room")),
    )
    power = panels.power_table(frame, middle - 4, inside)
    body = Layout(name="body", size=rows)
    body.split_row(
        hall,
        Layout(panels.boxed(power, "cooling"), size=middle),
        Layout(panels.boxed(panels.proposal_panel(frame, inside), "proposal")),
    )
    return body


def _narrow(frame: LiveFrame, width: int, rows: int) -> Layout:
    """Two columns: the hall; what cools it above the proposal."""
    inside = rows - 2
    left = width // 2
    grid_rows = min(_rack_rows(frame), max(inside - 5, 1))
    hall = Group(
        panels.rack_grid(frame.racks, left - 4, grid_rows),
        panels.groups_table(frame.groups, max(inside - grid_rows - 1, 1)),
    )
    power_rows = min(len(frame.power_kw), max(inside - 7, 1))
    right = Layout()
    right.split_column(
        Layout(
            panels.boxed(
                panels.power_table(frame, width - left - 4, power_rows),
                "cooling",
            ),
            size=power_rows + 2,
        ),
        Layout(panels.boxed(panels.proposal_panel(frame, inside - power_rows - 2), "proposal")),
    )
    body = Layout(name="body", size=rows)
    body.split_row(Layout(panels.boxed(hall, "racks (X over, ! near)"), size=left), right)
    return body


def _rack_rows(frame: LiveFrame) -> int:
    return len({(rack.hall, rack.row) for rack in frame.racks})


def _address(frame: LiveFrame) -> Text:
    text = Text(" ", no_wrap=True, overflow="ellipsis")
    if frame.run.console_url:
        text.append("console, in a browser: ", style=panels.FAINT)
        text.append(frame.run.console_url, style="bold")
        text.append(" · ", style=panels.FAINT)
    elif frame.run.docs_url:
        text.append("REST: ", style=panels.FAINT)
        text.append(frame.run.docs_url)
        text.append(" · ", style=panels.FAINT)
    text.append("Ctrl-C ends the run and hands the plant back", style=panels.FAINT)
    if frame.run.status:
        text.append(f" · {frame.run.status}")
    return text
