"""What the devices were asked to write, as they received it: the witness of a run.

Independent of the gateway's journal, which has to agree with it write by write. One line
of JSON for each write that reached a register or node, accepted or not, and a count of
every request to write at the level of the protocol, well formed or not.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from facility.commands import WriteKind
from facility.points import Point, Role


@dataclass(frozen=True, slots=True)
class Target:
    """Where a write went: a point of the site, or an address where none is."""

    device: str
    table: str
    address: str
    tag: str | None = None
    role: Role | None = None

    @classmethod
    def of(cls, point: Point) -> Target:
        """The target that a point is."""
        return cls(point.device, point.table.value, point.address, point.tag, point.role)

    def kind(self, value: float | None) -> WriteKind | None:
        """The kind of a write of ``value``; None where no kind of write goes there."""
        if self.role is Role.ENABLE:
            return WriteKind.RELEASE if value == 0.0 else WriteKind.ENABLE
        return {Role.SETPOINT: WriteKind.SETPOINT, Role.HEARTBEAT: WriteKind.HEARTBEAT}.get(
            self.role or Role.SENSOR
        )


class Recorder:
    """Writes the record of a run as JSON lines, and counts.

    Lines are buffered; `flush` and `close` complete the file.

    Parameters
    ----------
    path
        The file to write, or None to count only.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._file: TextIO | None = None
        if path is not None:
            self.open(path)
        self._heads: dict[Target, str] = {}
        self.accepted: Counter[str] = Counter()
        """Accepted writes by kind."""
        self.rejected: Counter[str] = Counter()
        """Rejected writes by kind, or `unknown` where no kind of write goes there."""
        self.requests: Counter[str] = Counter()
        """Every request to write, by device, malformed and mistaken ones included."""

    def open(self, path: Path) -> None:
        """Write lines to ``path`` from now on, a new file."""
        self.close()
        self._file = path.open("w", encoding="utf-8", buffering=1 << 18)

    def request(self, device: str) -> None:
        """Count a request to write that reached a device, before it is judged."""
        self.requests[device] += 1

    def write(
        self, time_s: float, target: Target, raw: bytes, value: float | None, *, accepted: bool
    ) -> None:
        """Record a write.

        Parameters
        ----------
        time_s
            Plant time.
        target
            Where it went.
        raw
            The value's bytes as received.
        value
            Decoded, in the canonical unit; None where the bytes are no value of the target.
        accepted
            Whether the device took it.
        """
        kind = target.kind(value)
        name = "unknown" if kind is None else kind.value
        (self.accepted if accepted else self.rejected)[name] += 1
        if self._file is None:
            return
        if (head := self._heads.get(target)) is None:
            head = self._heads[target] = _head(target)
        self._file.write(
            f'{{"time_s":{time_s!r},{head},"raw":"{raw.hex()}","value":'
            f'{"null" if value is None else repr(float(value))},"kind":'
            f"{'null' if kind is None else json.dumps(name)},"
            f'"accepted":{"true" if accepted else "false"}}}\n'
        )

    def counts(self) -> Mapping[str, object]:
        """Accepted and rejected writes by kind, and requests by device, ready for JSON."""
        return {
            "accepted": dict(sorted(self.accepted.items())),
            "rejected": dict(sorted(self.rejected.items())),
            "requests": dict(sorted(self.requests.items())),
        }

    def flush(self) -> None:
        """Bring everything recorded so far to the file."""
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Complete the file; later writes are only counted."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _head(target: Target) -> str:
    fields = {
        "device": target.device,
        "tag": target.tag,
        "table": target.table,
        "address": target.address,
    }
    return json.dumps(fields, separators=(",", ":"))[1:-1]
