"""The gateway as a process of its own, made to die or to fail at a chosen step.

A fork of a server that has loaded everything already, so that a start costs milliseconds.
Plant time is the bench's (`Reins`); all else is `python -m adapters.gateway` as it ships.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable
from ctypes import c_double, c_int
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

import adapters.gateway.__main__ as gateway
from adapters.gateway import drivers
from adapters.gateway.core import Core
from adapters.gateway.door import claim_socket, lock_state
from adapters.gateway.field import Field
from adapters.gateway.hand_over import HandOver
from adapters.gateway.service import AsyncRim
from adapters.gateway.write_gate import WriteGate
from adapters.modbus import ModbusDriver
from adapters.modbus_link import ModbusLink
from facility.site import Site
from safety.journal import Journal
from safety.permit import Mint

POLL_S = 0.002


class Reins:
    """What bench and gateway share: plant time, the system clock's error, and a trigger."""

    def __init__(self, context: Any, now_s: float) -> None:
        self.now: Synchronized[float] = context.Value(c_double, now_s)
        self.offset: Synchronized[float] = context.Value(c_double, 0.0)
        self.wakes: Synchronized[float] = context.Value(c_double, 0.0)
        """When the gateway wants to be woken, in the bench's time."""
        self.trigger: Synchronized[int] = context.Value(c_int, 0)


class ReinedClock:
    """The bench's time; what sleeps is not moved by an error of the system's clock."""

    stands_still = False

    def __init__(self, reins: Reins) -> None:
        self._reins = reins

    def now_s(self) -> float:
        return self._reins.now.value + self._reins.offset.value

    async def sleep_until(self, time_s: float) -> float:
        at_s = time_s - self._reins.offset.value
        self._reins.wakes.value = at_s
        while self._reins.now.value < at_s:
            await asyncio.sleep(POLL_S)
        return self.now_s()


class PatientRim(AsyncRim):
    """Waits for every device: the bench's time stands still meanwhile."""

    def __init__(self, *, waits_for_all: bool) -> None:
        super().__init__(waits_for_all=True)


def main(site: Site, state: Path, socket: Path, log: Path, reins: Reins, flaw: str) -> None:
    """Run a gateway on ``site`` until it ends, with the flaw of that name."""
    sys.stderr = log.open("a", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.stdout = os.fdopen(1, "w")
    drivers.STEPPED_TIMEOUT_S = 0.0

    async def clock(_: Path | None) -> Any:
        return ReinedClock(reins)

    # Names of the program, changed in this process alone.
    vars(gateway).update(_clock=clock, AsyncRim=PatientRim)
    if flaw:
        FLAWS[flaw](lambda: bool(reins.trigger.value))
    logging.getLogger("gateway").handlers.clear()
    gateway._log_to_stderr()
    args = gateway._arguments(["--site", ".", "--state", str(state), "--socket", str(socket)])
    try:
        with lock_state(state):
            claim_socket(socket)
            status = asyncio.run(gateway._run(site, args))
    except Exception as error:  # noqa: BLE001 - as the command tells it
        sys.stderr.write(f"gateway: cannot start: {error}\n")
        status = gateway.CANNOT_START
    sys.stderr.flush()
    os._exit(status)


def die() -> None:
    """As `kill -9` does it: nothing of this process runs any more."""
    os.kill(os.getpid(), signal.SIGKILL)


Armed = Callable[[], bool]
Act = Callable[[], None]


def _before(owner: Any, name: str, act: Act = die, when: Any = None) -> Callable[[Armed], None]:
    def put(armed: Armed) -> None:
        old = getattr(owner, name)

        def new(*args: Any, **named: Any) -> Any:
            if armed() and (when is None or when(*args)):
                act()
            return old(*args, **named)

        setattr(owner, name, new)

    return put


def _after(owner: Any, name: str, when: Any = None) -> Callable[[Armed], None]:
    def put(armed: Armed) -> None:
        old = getattr(owner, name)

        def new(*args: Any, **named: Any) -> Any:
            answer = old(*args, **named)
            if armed() and (when is None or when(*args)):
                die()
            return answer

        async def new_async(*args: Any, **named: Any) -> Any:
            answer = await old(*args, **named)
            if armed() and (when is None or when(*args)):
                die()
            return answer

        setattr(owner, name, new_async if asyncio.iscoroutinefunction(old) else new)

    return put


def _half_a_line(armed: Armed) -> None:
    old = Journal._write

    def new(self: Journal, block: bytes, *, durable: bool) -> None:
        if armed():
            self._file.write(block[: len(block) // 2])
            die()
        old(self, block, durable=durable)

    Journal._write = new  # type: ignore[method-assign]  # the flaw


def _on_the_wire(armed: Armed) -> None:
    """Die when the bytes have been handed to the operating system."""
    old = ModbusLink._watch

    def new(self: ModbusLink, loop: asyncio.AbstractEventLoop, deadline: float) -> None:
        old(self, loop, deadline)
        if armed():
            loop.call_soon(die)  # after this turn, in which the request is written

    ModbusLink._watch = new  # type: ignore[method-assign]  # the flaw


def _raise() -> None:
    raise RuntimeError("a fault of the gateway's own")


def _setpoint(*args: Any) -> bool:
    return str(args[1]).endswith("setpoint")


FLAWS: dict[str, Callable[[Armed], None]] = {
    "before the permit": _before(WriteGate, "_permit"),
    "before the journal": _before(WriteGate, "_announce"),
    "half a line in the journal": _half_a_line,
    "before the permit is redeemed": _before(Mint, "redeem"),
    "before the bytes leave": _after(Mint, "redeem"),
    "when the bytes have left": _on_the_wire,
    "before the read-back": _after(ModbusDriver, "write", _setpoint),
    "before the receipt is written down": _after(Field, "write"),
    "while the envelope's memory is replaced": _before(
        os, "fsync", when=lambda *_: _writes_state()
    ),
    "arming: before the preload": _before(HandOver, "_preloads"),
    "arming: after the preload": _after(Field, "write"),
    "arming: between heartbeat and enable": _after(
        ModbusDriver, "write", lambda *args: str(args[1]).endswith("heartbeat")
    ),
    "arming: between enable and confirmation": _after(
        ModbusDriver, "write", lambda *args: str(args[1]).endswith("enable")
    ),
    "releasing: before the release is sent": _before(HandOver, "release"),
    "a fault in the loop": _before(Core, "in_doubt", _raise),
    "a fault in a command": _before(Core, "judge", _raise),
    "a fault in the hand-back itself": _before(Core, "let_go", _raise),
}
"""What may be made of a gateway, by name; it happens once the trigger is pulled."""


def _writes_state() -> bool:
    """Whether the caller of fsync is replacing a file of the state folder."""
    frame = sys._getframe(3)
    return frame.f_code.co_name == "write_atomically"
