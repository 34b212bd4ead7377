"""Reading the field: processor time a decoded value costs, and whether any is lost."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from benchmarks.gateway_modbus import BLOCKS, DEVICES, FLOATS, read_registers
from benchmarks.gateway_opcua import OFFSET_S, WINDOWS, read_nodes
from benchmarks.harness import Bench, Measure

SCOPE = (
    "the drivers alone, against servers in processes of their own on the loopback interface: "
    "libmodbus (C) for Modbus, node-opcua for OPC UA, encrypted (Basic256Sha256). "
    "Processor time is that of this process, user and system, without the servers'."
)
SECONDS = 20


def measure(bench: Bench) -> Iterator[Measure]:
    """Read for a while over each protocol."""
    seconds = SECONDS if not bench.full else 120
    found = bench.step("modbus", {"seconds": seconds}, lambda: read_registers(seconds))
    reads = (
        f"{DEVICES * BLOCKS * FLOATS} float32 (words swapped) once a second for {seconds} s, over "
        f"{DEVICES} connections in blocks of {2 * FLOATS} registers, each decoded into a reading "
        "with quality and time and compared with what the server holds"
    )
    yield Measure(
        "modbus_core_share_10k", found["ours"], "cores", 0.10, "at_most",
        how=f"{reads}; processor time over wall time",
    )  # fmt: skip
    yield Measure(
        "modbus_core_share_10k_pymodbus", found["pymodbus"], "cores",
        how="the same reads through pymodbus's client, decoded by the same code",
    )  # fmt: skip
    yield Measure(
        "modbus_cpu_over_c", found["ours_s"] / found["c_s"], "times",
        how="processor time of our driver for as many rounds as fast as they go, over that of a C "
        "client on libmodbus which reads and decodes the same (but judges, dates and names none)",
    )  # fmt: skip
    for name, tags in (("2k", 2_000), ("10k", 10_000)):
        inputs = {"tags": tags, "seconds": seconds}
        read = bench.step(f"opcua-{name}", inputs, partial(read_nodes, tags, seconds))
        yield Measure(
            f"opcua_lost_{name}", read["lost"], "values", 0.0, "at_most",
            how=f"{tags} tags whose value is the second of the server's clock, read once a second "
            f"in batches for {seconds} s, {OFFSET_S:g} s into it; seconds of the server that a tag "
            f"never showed; the best of at most {WINDOWS} such windows, it took {read['windows']}",
        )  # fmt: skip
        yield Measure(
            f"opcua_core_share_{name}", read["cores"], "cores",
            how=f"the same {tags} tags a second; processor time of the client over wall time",
        )  # fmt: skip
        yield Measure(
            f"opcua_server_core_share_{name}", read["peer_cores"], "cores",
            how="the same, of the server's process: a scan waits for it most of the time",
        )  # fmt: skip
        yield Measure(
            f"opcua_scan_{name}", 1e3 * read["scan_s"], "ms",
            how="wall time of one such scan, median; the longest "
            f"{1e3 * read['longest_scan_s']:.0f} ms (a value is lost where it takes 900 ms)",
        )  # fmt: skip
