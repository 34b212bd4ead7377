"""The servers at the other end of a field measurement, in processes of their own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness import ROOT, BenchmarkError

PEERS = ROOT / "tests" / "peers"


class Process:
    """A server that says «ready», for as long as it is needed."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command

    def __enter__(self) -> Process:
        self._child = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=dict(os.environ)
        )
        assert self._child.stdout is not None
        for line in self._child.stdout:
            if line.strip() == "ready":
                return self
        self._child.wait()
        raise BenchmarkError(f"{self._command[0]} did not start")

    def processor_s(self) -> float:
        """Processor time that the server has had, user and system."""
        # After the command's name in brackets; fields 14 and 15 of proc(5).
        fields = Path(f"/proc/{self._child.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def __exit__(self, *_error: object) -> None:
        self._child.kill()
        self._child.communicate()


def compiled(name: str, folder: Path, *flags: str) -> Path:
    """A program of tests/peers on libmodbus, built into ``folder``."""
    target = folder / name
    try:
        told = subprocess.run(
            ["pkg-config", "--cflags", "--libs", "libmodbus"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        command = ["gcc", "-O2", *flags, "-o", str(target), str(PEERS / f"{name}.c")]
        subprocess.run([*command, *told.stdout.split()], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise BenchmarkError(
            f"{name} cannot be built ({error}); install gcc, pkg-config and libmodbus-dev"
        ) from None
    return target


def scripted(name: str, *arguments: str) -> list[str]:
    """The command of a program of tests/peers on Node."""
    if shutil.which("node") is None or not (PEERS / "node_modules").is_dir():
        raise BenchmarkError(
            f"{name} cannot run: install Node.js, then npm ci --prefix tests/peers"
        )
    return ["node", "--no-deprecation", str(PEERS / name), *arguments]


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
