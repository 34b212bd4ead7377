"""Nobody but the gateway can open a connection to the field, by what is imported and what runs."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parents[2]
DRIVERS = frozenset({"adapters.modbus", "adapters.modbus_link", "adapters.opcua"})
PACKAGES = ("adapters", "controller", "models", "safety", "facility")


def test_only_the_gateway_imports_a_driver() -> None:
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    importers = {
        importer
        for driver in DRIVERS
        for importer in graph.find_modules_that_directly_import(driver)
    } - DRIVERS
    assert importers == {"adapters.gateway.drivers"}
    # And only the gateway's own process imports that.
    assert graph.find_modules_that_directly_import("adapters.gateway.drivers") == {
        "adapters.gateway.__main__"
    }
    assert not graph.find_upstream_modules("controller", as_package=True) & DRIVERS


PROBE = """
import importlib, pkgutil, sys
seen = []
def hook(event, args):
    if event == "socket.connect" and isinstance(args[1], tuple):
        seen.append(args[1])
        raise PermissionError(f"a connection to {{args[1]}}")
    if event == "import" and args[0] in {drivers!r}:
        seen.append(args[0])
sys.addaudithook(hook)
for package in {packages!r}:
    for found in pkgutil.walk_packages([package], package + "."):
        if found.name.startswith({ours!r}) or found.name.endswith("__main__"):
            continue
        importlib.import_module(found.name)
assert not seen, seen
assert not set(sys.modules) & set({drivers!r}), "a driver was loaded"
print(len(sys.modules))
"""


def test_no_other_module_loads_a_driver_or_opens_a_connection() -> None:
    script = PROBE.format(
        drivers=tuple(sorted(DRIVERS)),
        packages=PACKAGES,
        ours=(*sorted(DRIVERS), "adapters.gateway.drivers"),
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 100


def test_every_module_of_the_walk_can_be_found() -> None:
    names = [m.name for p in PACKAGES for m in pkgutil.walk_packages([str(ROOT / p)], f"{p}.")]
    assert set(DRIVERS) < set(names)
    assert "adapters.gateway.write_gate" in names
