"""Scenarios: runs of the reference sites that anybody can repeat, named and described in files.

>>> from sim.scenarios import find, names, run_scenario          # doctest: +SKIP
>>> done = run_scenario(find("campus-summer"), hours=6.0)        # doctest: +SKIP
>>> done.truth["cool.fws_supply_temperature"].describe()         # doctest: +SKIP
"""

from sim.scenarios.build import Prepared, prepare
from sim.scenarios.files import ScenarioError, find, library, names, read
from sim.scenarios.run import ScenarioRun, run_scenario
from sim.scenarios.scenario import Scenario

__all__ = [
    "Prepared",
    "Scenario",
    "ScenarioError",
    "ScenarioRun",
    "find",
    "library",
    "names",
    "prepare",
    "read",
    "run_scenario",
]
