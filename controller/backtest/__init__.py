"""Backtest: another model or other settings over a recorded period, without look-ahead.

The record is cut into days (`record`). Each day of each variant is a task of its own, on local
processes or on Ray (`day`): it lives through the readings in the order in which they were
received, plans at every step what would have been planned then, and has the envelope judge it.
Only afterwards is what came held against what was predicted (`score`). Days are summed up to a
table and a page (`summary`, `report`).
"""

from controller.backtest.day import Variant, named, tasks
from controller.backtest.record import BacktestError, KnownThen, keep_days, read_rows
from controller.backtest.settings import read_settings
from controller.backtest.summary import Summary, summarise, table

__all__ = [
    "BacktestError",
    "KnownThen",
    "Summary",
    "Variant",
    "keep_days",
    "named",
    "read_rows",
    "read_settings",
    "summarise",
    "table",
    "tasks",
]
