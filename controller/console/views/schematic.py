"""The plant as a drawing: which machines feed which, laid out left to right.

Towers make tower water; it takes the chillers' heat, and cools the loops that have a trim
directly. A loop without a trim is made by chillers. Each loop feeds its CDUs and CRAHs, and
those feed the racks. Every machine of a kind is one box; values are sums, means or spans.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from facility.site import Site

BOX_W, LINE_H, HEAD_H, PAD = 208, 19, 25, 8
GAP_X, GAP_Y = 44, 22
COLUMNS = 5


@dataclass(frozen=True, slots=True)
class Line:
    """One value of a box: of a tag, or (``live``) of the moment's figures."""

    label: str
    unit: str
    digits: int
    tag: str = ""
    live: str = ""
    to: str = ""
    """A second figure: the other end of a span, or of how many."""
    of: int = 0


@dataclass(frozen=True, slots=True)
class Box:
    """A piece of plant."""

    id: str
    title: str
    lines: tuple[Line, ...]
    x: int
    y: int
    href: str = ""

    @property
    def height(self) -> int:
        """In units of the drawing."""
        return HEAD_H + LINE_H * len(self.lines) + PAD

    @property
    def width(self) -> int:
        """In units of the drawing."""
        return BOX_W


@dataclass(frozen=True, slots=True)
class Pipe:
    """Water (or air) from one box to another."""

    path: str
    medium: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """All of it."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    pipes: tuple[Pipe, ...]


def drawing(site: Site) -> Drawing:
    """The schematic of a site."""
    columns: list[list[Box]] = [[] for _ in range(COLUMNS)]

    def add(column: int, name: str, title: str, lines: list[Line], equipment: str = "") -> None:
        above = columns[column][-1] if columns[column] else None
        y = 0 if above is None else above.y + above.height + GAP_Y
        href = f"/trends?equipment={equipment}" if equipment else ""
        x = column * (BOX_W + GAP_X)
        columns[column].append(Box(name, title, tuple(lines), x, y, href))

    if site.towers:
        add(0, "towers", _many(len(site.towers), "tower"), _tower_lines())
    water = list(_tags(site, "tower_water", ["cw_supply_temperature", "cw_flow"]))
    if water:
        add(0, "tower_water", "Tower water", _loop_lines(site, "tower_water", "cw"), "tower_water")
    for loop in site.loops.values():
        chillers = [c.id for c in site.chillers.values() if c.loop == loop.id]
        if chillers:
            title = _many(len(chillers), "chiller")
            add(1, f"chillers.{loop.id}", title, _chiller_lines(site, loop.id, chillers))
        title = f"Loop {loop.id}" + (f" · {loop.fws_class}" if loop.fws_class else "")
        add(2, loop.id, title, _loop_lines(site, loop.id, "fws"), loop.id)
        if cdus := [c.id for c in site.cdus.values() if c.loop == loop.id]:
            add(3, f"{loop.id}.cdus", _many(len(cdus), "CDU"), _cdu_lines(loop.id))
        if crahs := [c.id for c in site.crahs.values() if c.loop == loop.id]:
            add(3, f"{loop.id}.crahs", _many(len(crahs), "CRAH"), _crah_lines(loop.id))
    _racks(site, add)
    height = max((c[-1].y + c[-1].height for c in columns if c), default=0)
    boxes = {box.id: box for column in columns for box in _centred(column, height)}
    used = max(i for i, column in enumerate(columns) if column) + 1 if boxes else 0
    width = used * (BOX_W + GAP_X) - GAP_X
    return Drawing(width, height, tuple(boxes.values()), tuple(_pipes(site, boxes)))


def _many(count: int, name: str) -> str:
    return f"{count} {name}{'s' if count != 1 else ''}"


def _tags(site: Site, equipment: str, quantities: list[str]) -> Iterator[str]:
    for name in quantities:
        if tag := site.tag(equipment, name):
            yield tag


def _tower_lines() -> list[Line]:
    return [
        Line("wet bulb", "°C", 1, live="wet_bulb"),
        Line("fan speed, mean", "%", 0, live="towers.speed"),
        Line("fan power", "kW", 0, live="towers.kw"),
    ]


def _loop_lines(site: Site, loop: str, water: str) -> list[Line]:
    wanted = [
        ("supply", f"{water}_supply_temperature", "°C", 1),
        ("supply, set", f"{water}_supply_temperature_setpoint_in_force", "°C", 1),
        ("return", f"{water}_return_temperature", "°C", 1),
        ("flow", f"{water}_flow", "L/s", 0),
        ("pump power", "pump_power", "kW", 1),
    ]
    return [
        Line(label, unit, digits, tag=tag)
        for label, quantity, unit, digits in wanted
        if (tag := site.tag(loop, quantity))
    ]


def _chiller_lines(site: Site, loop: str, chillers: list[str]) -> list[Line]:
    lines = [Line("running", f"of {len(chillers)}", 0, live="chillers.running")]
    if tag := site.tag(chillers[0], "chw_supply_temperature_setpoint_in_force"):
        lines.append(Line("supply, set", "°C", 1, tag=tag))
    lines.append(Line("heat taken", "kW", 0, live=f"{loop}.chillers.load"))
    lines.append(Line("power", "kW", 0, live="chillers.kw"))
    return lines


def _cdu_lines(loop: str) -> list[Line]:
    name = f"{loop}.cdus"
    return [
        Line("TCS supply", "°C", 1, live=f"{name}.coldest", to=f"{name}.warmest"),
        Line("TCS flow", "L/s", 0, live=f"{name}.flow"),
        Line("heat taken", "kW", 0, live=f"{name}.load"),
        Line("pump power", "kW", 1, live="cdus.kw"),
    ]


def _crah_lines(loop: str) -> list[Line]:
    name = f"{loop}.crahs"
    return [
        Line("supply air", "°C", 1, live=f"{name}.coldest", to=f"{name}.warmest"),
        Line("fan speed, mean", "%", 0, live=f"{name}.speed"),
        Line("fan power", "kW", 1, live="fans.kw"),
    ]


def _racks(site: Site, add: Callable[[int, str, str, list[Line]], None]) -> None:
    liquid = sum(r.design_flow_ls is not None for r in site.racks.values())
    air = len(site.racks) - liquid
    if air:
        add(4, "air", f"{air} air-cooled racks", [_it("air")])
    if liquid:
        add(4, "liquid", f"{liquid} liquid-cooled racks", [_it("liquid")])


def _it(kind: str) -> Line:
    return Line("IT power", "kW", 0, live=f"racks.{kind}")


def _centred(column: list[Box], height: int) -> list[Box]:
    if not column:
        return []
    room = height - (column[-1].y + column[-1].height)
    gap = room // (len(column) + 1)
    return [
        Box(b.id, b.title, b.lines, b.x, b.y + gap * (i + 1), b.href) for i, b in enumerate(column)
    ]


def _pipes(site: Site, boxes: dict[str, Box]) -> Iterator[Pipe]:
    pairs = [("towers", "tower_water", "water")]
    for loop in site.loops.values():
        pairs.append(("tower_water", f"chillers.{loop.id}", "water"))
        pairs.append((f"chillers.{loop.id}", loop.id, "water"))
        if loop.trim:
            pairs += [("tower_water", loop.id, "water"), (loop.trim, loop.id, "trim")]
        pairs += [(loop.id, f"{loop.id}.{kind}", "water") for kind in ("cdus", "crahs")]
        pairs += [(f"{loop.id}.cdus", "liquid", "water"), (f"{loop.id}.crahs", "air", "air")]
    for start, end, medium in pairs:
        if start in boxes and end in boxes:
            yield Pipe(_path(boxes[start], boxes[end], boxes), medium)


def _path(start: Box, end: Box, boxes: dict[str, Box]) -> str:
    if start.x == end.x:
        x = start.x + BOX_W // 2
        first, second = sorted((start, end), key=lambda b: b.y)
        return f"M{x} {first.y + first.height}V{second.y}"
    x0, x1 = start.x + BOX_W, end.x
    y0, y1 = _middle(start), _middle(end)
    if x1 - x0 <= GAP_X:
        bend = x0 + GAP_X // 2
        return f"M{x0} {y0}H{bend}V{y1}H{x1}"
    # Past the column between: below everything that stands there.
    between = [b for b in boxes.values() if x0 < b.x < x1]
    low = max((b.y + b.height for b in between), default=0) + GAP_Y // 2
    lane = max(low, y1)
    return f"M{x0} {y0}H{x0 + GAP_X // 3}V{lane}H{x1 - GAP_X // 3}V{y1}H{x1}"


def _middle(box: Box) -> int:
    return box.y + box.height // 2
