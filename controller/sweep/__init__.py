"""Many runs at once: a sweep's tasks on local processes or on Ray, resumable, the same on both."""

from controller.sweep.engine import (
    Engine,
    LocalEngine,
    RayEngine,
    SweepError,
    Task,
    run_sweep,
)
from controller.sweep.plan import SweepPlan, read_plan, table

__all__ = [
    "Engine",
    "LocalEngine",
    "RayEngine",
    "SweepError",
    "SweepPlan",
    "Task",
    "read_plan",
    "run_sweep",
    "table",
]
