"""What the optimiser is worth: paired days in three climates and four seasons.

Both sites' models are trained at once, one a core, then the days go through two processes; the
longest first, so that no core waits for the other at the end. Each day under each agent is a step
that is kept, so that a run which was interrupted goes on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks import control_table
from benchmarks.control_agents import (
    ABLATIONS,
    AGENTS,
    BASELINES,
    OURS,
    SAC,
    STAGED_ABLATIONS,
    fit_arx,
    run_agent,
)
from benchmarks.control_days import (
    DAY_H,
    SITES,
    STAGED_SITE,
    Day,
    days,
    staged_days,
    train_model,
)
from benchmarks.harness import Bench, Measure
from sim.scenarios.build import reference

SCOPE = (
    "twelve days, three climates by four seasons, each with a site and a load of its own by Latin "
    "square (whole-machine jobs on frontier; training, inference and both on campus) and a seed of "
    "its own; forecasts, not known futures, and a model trained on a history of other seeds. The "
    "whole controller and gateway in one process, beside the same plant under fixed setpoints and "
    "under its tuned Guideline 36 control. By default three hours of each day, at hours that go "
    "round the clock; --full takes whole days of four weeks, seven weeks in all, and an agent of "
    "reinforcement learning besides. --ablations takes parts away, on the days that are searched "
    "for the best there is (with --full on the first week), and planned stages on two days of a "
    "site that takes stage requests. Every day under every agent is kept, and a run goes on where "
    "it was interrupted. A simulator's figures, not a plant's"
)
HAS_ABLATIONS = True
WINDOW_H = 3.0
WEEKS = {False: 1, True: 4}
"""Whether in full: how often the square of days comes, each time a week later."""
SQUARE = 12
"""Days of a week."""
BOTH_CORES = 2
BEST_FOUND = {False: ((2, 7), 80), True: ((1, 2, 7, 10), 400)}
"""Whether in full: days that are searched for the best there is, by number, and the runs of the
plant that each search may take."""


@dataclass
class _Study:
    """The jobs of a run, on both cores."""

    bench: Bench
    cores: ProcessPoolExecutor
    hands: ThreadPoolExecutor
    table: control_table.Table
    staged: control_table.Table
    """Days at the site that takes stage requests, for what planned stages are worth."""
    models: dict[str, dict[str, Path]] = field(default_factory=lambda: {s: {} for s in SITES})

    def on_a_core(self, work: Callable[..., Any], *given: Any) -> Any:
        return self.cores.submit(work, *given).result()

    def train(self) -> None:
        """A model of each site where none is kept; the linear one where it is asked for."""
        sites = (*SITES, STAGED_SITE) if self.bench.ablations else SITES
        folders = {site: self.bench.work / f"site-{site}" for site in sites}
        self.bench.say(f"models of {' and '.join(sites)}, where none is kept")
        trained = {s: self.cores.submit(train_model, s, folder) for s, folder in folders.items()}
        for site, model in trained.items():
            self.models.setdefault(site, {})["thermal"] = model.result()
        if self.bench.ablations:
            fitted = {site: self.hands.submit(self._arx, site) for site in SITES}
            for site, file in fitted.items():
                self.models[site]["arx"] = file.result()
        if self.bench.full:
            self.bench.say("agents of reinforcement learning, where none is kept")
            learned = {
                site: self.cores.submit(train_agent, site, folders[site] / SAC) for site in SITES
            }
            for site, agent in learned.items():
                self.models[site][SAC] = agent.result()

    def _arx(self, site: str) -> Path:
        found = self.bench.step(
            f"arx-{site}", {"site": site}, lambda: self.on_a_core(fit_arx, site),
            of_the_machine=False,
        )  # fmt: skip
        path = self.bench.work / f"site-{site}" / "arx.json"
        path.write_text(json.dumps(found), encoding="utf-8")
        return path

    def run(self, number: int, agent: str, table: control_table.Table | None = None) -> None:
        """A day under an agent; of the square's table where none is named."""
        table = table or self.table
        day = table.days[number]
        models = self.models[day.site]
        asked = () if agent in BASELINES else AGENTS[agent].models
        used = {name: models[name].name for name in asked}
        result = self.bench.step(
            f"{day.name}-{day.hours:g}h-{agent}",
            {**asdict(day), "agent": agent, "models": used},
            lambda: self.on_a_core(run_agent, day, agent, models),
            of_the_machine=False,
        )
        table.add(number, agent, result)

    def all(self, marked: tuple[int, ...], evaluations: int) -> dict[int, dict[str, Any]]:
        """Every day under every agent, and what is found for the ``marked`` days."""
        self.train()
        every = range(len(self.table.days))
        # The longest first.
        ordered = sorted(every, key=lambda n: self.table.days[n].site != SITES[0])
        agents = (*BASELINES, OURS, *((SAC,) if self.bench.full else ()))
        jobs = [self.hands.submit(self.run, n, agent) for n in ordered for agent in agents]
        found = {n: self.hands.submit(self.search, n, evaluations) for n in marked}
        if self.bench.ablations:
            ablated = every[:SQUARE] if self.bench.full else marked
            jobs += [self.hands.submit(self.run, n, agent) for n in ablated for agent in ABLATIONS]
            every_staged = range(len(self.staged.days))
            of_stages = (*BASELINES, OURS, *STAGED_ABLATIONS)
            jobs += [
                self.hands.submit(self.run, n, agent, self.staged)
                for n in every_staged
                for agent in of_stages
            ]
        for job in jobs:
            job.result()
        return {n: search.result() for n, search in found.items()}

    def search(self, number: int, evaluations: int) -> dict[str, Any]:
        """The best that a search finds for a day."""
        day = self.table.days[number]
        found: dict[str, Any] = self.bench.step(
            f"{day.name}-{day.hours:g}h-best",
            {**asdict(day), "evaluations": evaluations},
            lambda: self.on_a_core(best_found, day, evaluations),
            of_the_machine=False,
        )
        return found


def measure(bench: Bench) -> Iterator[Measure]:
    """Train what is lacking, run the days on both cores, and add up."""
    hours = DAY_H if bench.full else WINDOW_H
    square = [day for week in range(WEEKS[bench.full]) for day in days(hours, week)]
    marked, evaluations = BEST_FOUND[bench.full]
    table = control_table.Table(square, bench.say)
    staged = control_table.Table(staged_days(hours), bench.say)
    with (
        ProcessPoolExecutor(BOTH_CORES, mp_context=get_context("spawn")) as cores,
        ThreadPoolExecutor(BOTH_CORES) as hands,
    ):
        study = _Study(bench, cores, hands, table, staged)
        try:
            found = study.all(marked, evaluations)
        except BaseException:
            # Nobody waits for days whose figures nobody will see.
            hands.shutdown(cancel_futures=True)
            raise
    tariffs = {site: reference(site)[0].tariff for site in SITES}
    yield from control_table.measures(table, tariffs)
    yield control_table.share_of_best(table, found)
    yield from control_table.ablated(table)
    yield from control_table.ablated(staged)


def train_agent(site: str, folder: Path) -> Path:
    """The folder of a site's agent of reinforcement learning."""
    from benchmarks.control_rl import train

    return train(site, folder)


def best_found(day: Day, evaluations: int) -> dict[str, Any]:
    """What a clairvoyant search on the plant itself makes of a day."""
    from benchmarks.best_found import search_day

    return search_day(day.prepared(), evaluations)
