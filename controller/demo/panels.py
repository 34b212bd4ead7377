"""The panels of the live view: a `LiveFrame` and a size become renderables of rich.

Grey first; colour carries meaning and never alone: every state also has its word or sign.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from controller.frame import GroupView, LiveFrame, RackView
from facility.commands import Mode
from facility.telemetry import Authority

NEAR_K = 2.0
"""Less room than this below a limit is worth a look."""
GOOD, WATCH, ALARM, FAINT = "green", "yellow", "bold red", "dim"
MODE_STYLE = {
    Mode.OFF: "black on bright_black",
    Mode.SHADOW: "black on white",
    Mode.ADVISORY: "black on cyan",
    Mode.AUTOMATIC: "bold white on blue",
}
MODE_WORDS = {
    Mode.OFF: "reads only, plans nothing",
    Mode.SHADOW: "writes nothing; local control holds the plant",
    Mode.ADVISORY: "writes what a person approves",
    Mode.AUTOMATIC: "holds the plant within the envelope",
}


def clock(time_s: float) -> str:
    """Plant time as people read it: ``2024-04-07 03:12:05``."""
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%d %H:%M:%S")


def duration(seconds: float) -> str:
    """``3 h 05 min``, ``12 min`` or ``40 s``."""
    if seconds < 60.0:
        return f"{max(seconds, 0.0):.0f} s"
    hours, minutes = divmod(int(seconds // 60), 60)
    if hours and not minutes:
        return f"{hours} h"
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"


def number(value: float | None, digits: int = 1, unit: str = "") -> str:
    """A number with its unit, or a dash where there is none."""
    return "–" if value is None else f"{value:,.{digits}f}{' ' if unit else ''}{unit}"


def power(kw: float | None) -> str:
    """A power, in MW from 1,000 kW on."""
    if kw is None:
        return "–"
    return f"{kw / 1e3:,.2f} MW" if abs(kw) >= 1e3 else f"{kw:,.1f} kW"


def chosen_mode(modes: Mapping[str, Mode]) -> tuple[Mode | None, str]:
    """The mode that most actuators are in, and the words for a mixture."""
    if not modes:
        return None, "no word from the gateway"
    counts = {mode: sum(1 for m in modes.values() if m is mode) for mode in Mode}
    most = max(counts, key=lambda mode: counts[mode])
    if counts[most] == len(modes):
        return most, MODE_WORDS[most]
    return most, ", ".join(f"{n} {mode.value}" for mode, n in counts.items() if n)


def banner(frame: LiveFrame) -> Text:
    """Who may write, where and when: the first line of the view."""
    mode, words = chosen_mode(frame.modes)
    head = Text(" ISOTHERM ", style="bold", no_wrap=True, overflow="ellipsis")
    name, style = (mode.value.upper(), MODE_STYLE[mode]) if mode else ("NO MODE", ALARM)
    head.append(f" {name} ", style=style)
    head.append(f" {words}")
    return head


def moment(frame: LiveFrame) -> Text:
    """Where the run has come to."""
    text = Text(f" {clock(frame.time_s)} UTC · ", no_wrap=True, overflow="ellipsis")
    text.append(duration(frame.time_s - frame.run.started_s))
    if frame.run.ends_s is not None:
        text.append(f" of {duration(frame.run.ends_s - frame.run.started_s)}", style=FAINT)
    text.append(f" · {frame.site}")
    return text


def rack_style(rack: RackView) -> tuple[str, str]:
    """Sign and style of a rack: ``?`` none, ``X`` over its limit, ``!`` near it, ``o``, ``·``."""
    if rack.temperature_c is None or rack.room_k is None:
        return "?", WATCH
    if rack.room_k < 0.0:
        return "X", ALARM
    if rack.room_k < NEAR_K:
        return "!", WATCH
    return ("o", "default") if rack.temperature_c > rack.recommended_c else ("·", FAINT)


def headline(frame: LiveFrame) -> Text:
    """The one line to read at three in the morning."""
    known = [rack for rack in frame.racks if rack.room_k is not None]
    text = Text(" ", no_wrap=True, overflow="ellipsis")
    if known:
        worst = min(known, key=lambda rack: rack.room_k or 0.0)
        _, style = rack_style(worst)
        room = worst.room_k or 0.0
        words = f"{room:.1f} K of room" if room >= 0.0 else f"{-room:.1f} K OVER ITS LIMIT"
        text.append(
            f"{worst.rack} {number(worst.temperature_c)} °C, {words}",
            style="bold" if style in (FAINT, "default") else style,
        )
    else:
        text.append("no rack temperature", style=WATCH)
    text.append(f" · IT {power(frame.it_kw)} · cooling {power(frame.cooling_kw)}")
    text.append(f" · PUE {number(frame.pue, 3)}", style="bold")
    return text


def saving_line(frame: LiveFrame) -> Text:
    """What has been saved so far against the baseline at the same plant time."""
    saving = frame.run.saving
    if saving is None or saving.share is None:
        return Text(" saved so far: no baseline yet", style=FAINT)
    kwh = saving.baseline_kwh - saving.energy_kwh
    text = Text(" saved so far: ")
    text.append(
        f"{100 * saving.share:+z.1f} % ({kwh:+z,.0f} kWh)",
        style=f"bold {GOOD}" if kwh > 0.0 else "bold",
    )
    text.append(f" against {saving.baseline}", style="default")
    text.append(f", to {clock(saving.at_s)[11:16]}", style=FAINT)
    return text


def groups_table(groups: Sequence[GroupView], rows: int) -> Table:
    """Groups of racks, those with the least room first."""
    table = Table(box=None, padding=(0, 1, 0, 0), header_style=FAINT, expand=False)
    for name, justify in (
        ("unit", "left"),
        ("rack", "left"),
        ("°C", "right"),
        ("room K", "right"),
        ("in °C", "right"),
        ("set", "right"),
    ):
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]  # literal
    ordered = sorted(groups, key=_room_of)
    several = len({group.hall for group in groups}) > 1
    for group in ordered[: rows if len(ordered) <= rows else rows - 1]:
        rack = group.hottest
        _, style = rack_style(rack) if rack else ("?", WATCH)
        table.add_row(
            f"{group.hall} {group.name}" if several else group.name,
            rack.rack if rack else "–",
            Text(number(rack.temperature_c if rack else None), style=style.replace(FAINT, "")),
            number(rack.room_k if rack else None),
            number(group.supply_c),
            number(group.setpoint_c),
        )
    if len(ordered) > rows:
        table.add_row(Text(f"+{len(ordered) - rows + 1}", style=FAINT), *[""] * 5)
    return table


def _room_of(group: GroupView) -> float:
    room = group.hottest.room_k if group.hottest else None
    return float("-inf") if room is None else room


def rack_grid(racks: Sequence[RackView], width: int, rows: int) -> RenderableType:
    """The hall from above, a sign or the temperature a rack; at most ``rows`` lines."""
    by_place: dict[tuple[str, int], list[RackView]] = {}
    for rack in sorted(racks, key=lambda r: (r.hall, r.row, r.position)):
        by_place.setdefault((rack.hall, rack.row), []).append(rack)
    longest = max((len(line) for line in by_place.values()), default=0)
    figures = longest * 3 <= width
    lines = []
    several = len({hall for hall, _ in by_place}) > 1
    for (hall, _), line in list(by_place.items())[:rows]:
        text = Text(f"{hall} " if several else "", FAINT, no_wrap=True, overflow="crop")
        for rack in line:
            sign, style = rack_style(rack)
            if figures and rack.temperature_c is not None:
                sign = f"{rack.temperature_c:.0f}{sign if sign in 'X!' else ' '}"
            text.append(sign.ljust(3) if figures else f"{sign} ", style=style)
        lines.append(text)
    if len(by_place) > rows and lines:
        lines[-1] = Text(f"… {len(by_place) - rows + 1} more rows", style=FAINT)
    return Group(*lines)


def power_table(frame: LiveFrame, width: int, rows: int) -> Table:
    """Electric power of cooling by component, with bars on one scale."""
    table = Table(box=None, padding=(0, 1, 0, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    highest = max([value or 0.0 for value in frame.power_kw.values()] + [1.0])
    room = max(width - 24, 4)
    for name, value in frame.power_kw.items():
        bar = "█" * round(room * (value or 0.0) / highest)
        table.add_row(name, power(value), Text(bar, style=FAINT))
    if rows > len(frame.power_kw):
        total = Text(power(frame.cooling_kw), style="bold")
        table.add_row(Text("all cooling", style="bold"), total)
    if rows > len(frame.power_kw) + 3:
        table.add_row()
        table.add_row(Text("wet bulb", style=FAINT), number(frame.wet_bulb_c, 1, "°C"))
        table.add_row(Text("dew point", style=FAINT), number(frame.dew_point_c, 1, "°C"))
    return table


def proposal_panel(frame: LiveFrame, rows: int) -> RenderableType:
    """The proposal that stands: moves, saving, what binds, until when."""
    proposal = frame.run.proposal
    if proposal is None:
        return Text("none: no move is worth a write", style=FAINT)
    left_s = proposal.expires_at_s - frame.time_s
    title = Text(f"{proposal.saving_kw:+,.1f} kW saved", style="bold")
    title.append(f" · {proposal.saving_per_day:+,.0f} {proposal.currency}/day", style="default")
    lines = [title]
    state = Text(f"{proposal.state}, ", style="default")
    state.append(
        f"expires in {duration(left_s)}" if left_s > 0 else "expired",
        style=WATCH if left_s <= 120 else "default",
    )
    state.append(f" · {proposal.solver}", style=FAINT)
    if not proposal.verified:
        state.append(" · NOT VERIFIED", style=WATCH)
    lines.append(state)
    binding = ", ".join(proposal.binding) or "nothing"
    room = max(rows - 3, 1)
    moves = proposal.moves if len(proposal.moves) <= room else proposal.moves[: room - 1]
    table = Table(box=None, padding=(0, 1, 0, 0), show_header=False)
    for justify in ("left", "right", "left", "left", "left"):
        table.add_column(justify=justify, no_wrap=True)
    for move in moves:
        points = f"×{move.points}" if move.points > 1 else ""
        table.add_row(
            move.group, f"{move.now:.1f}", "→", f"{move.proposed:.1f} {move.unit}", points
        )
    if len(moves) < len(proposal.moves):
        table.add_row(Text(f"and {len(proposal.moves) - len(moves)} more", style=FAINT))
    return Group(*lines, table, Text(f"binds: {binding}", style=FAINT, overflow="ellipsis"))


def devices_line(frame: LiveFrame) -> Text:
    """Who holds the devices, as they say themselves; those that differ by name."""
    held = [d.device for d in frame.devices if d.authority is Authority.REMOTE]
    local = [d.device for d in frame.devices if d.authority is Authority.LOCAL]
    lost = [d.device for d in frame.devices if not d.connected]
    unknown = [d.device for d in frame.devices if d.authority is Authority.UNKNOWN and d.connected]
    text = Text(
        f" devices: {len(held)} held by Isotherm, {len(local)} in local control",
        no_wrap=True,
        overflow="ellipsis",
    )
    # What is wrong comes before what is merely listed: the line may be cut at its end.
    if lost:
        text.append(f" · NO CONNECTION: {_few(lost)}", style=ALARM)
    if unknown:
        text.append(f" · unknown: {_few(unknown)}", style=WATCH)
    if held and local:
        few, word = (local, "local") if len(local) <= len(held) else (held, "held")
        text.append(f" · {word}: {_few(few)}", style=FAINT)
    return text


def _few(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


EVENT_STYLE = {"alarm": ALARM, "release": WATCH, "handed back": WATCH, "mode": "bold"}


def events_lines(frame: LiveFrame, rows: int) -> RenderableType:
    """The latest events, newest last."""
    if not frame.run.events:
        return Text("nothing has happened yet", style=FAINT)
    lines = []
    for event in frame.run.events[-rows:]:
        text = Text(f"{clock(event.time_s)[11:]} ", style=FAINT, no_wrap=True, overflow="ellipsis")
        text.append(event.kind, style=EVENT_STYLE.get(event.kind, "default"))
        text.append(f" {event.text}", style="default")
        lines.append(text)
    return Group(*lines)


def boxed(content: RenderableType, title: str) -> Panel:
    """A panel in the view's quiet frame."""
    return Panel(content, title=title, title_align="left", border_style=FAINT, padding=(0, 1))
