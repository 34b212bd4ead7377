"""Faults of the simulated facility: what breaks, where, when and how badly."""

from sim.faults.engine import FaultEngine
from sim.faults.fault import KINDS, Fault, FaultError
from sim.faults.reading import parse_faults, read_faults

__all__ = ["KINDS", "Fault", "FaultEngine", "FaultError", "parse_faults", "read_faults"]
