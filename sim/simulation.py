"""A simulated facility: plant, local control, devices' authority and sensors under one clock.

One second a step. Supervisory local control runs every 30 s and the devices decide every
second which setpoints are in force; while nobody but local control holds the plant, those
30 s are one call of the compiled step.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facility.points import Role
from facility.quantities import CHARGE
from facility.site import Site
from sim.accounts import Accounts
from sim.authority import DeviceAuthority
from sim.beginning import merged_weather, settle
from sim.bms.control import PERIOD_S, LocalControl
from sim.bms.fixed import Fixed
from sim.bms.guideline36 import Guideline36
from sim.bms.setpoints import Commissioned
from sim.bms.stage_requests import asked_of, show_own_stages
from sim.contacts import Contacts
from sim.faults import Fault, FaultEngine
from sim.parameters import PlantParameters
from sim.plant.layout import Array
from sim.plant.plant import ACCOUNTS, Memory, Units, links, stored_heat_kwh
from sim.plant.sensors import Sensors
from sim.plant.signals import places
from sim.plant.step import advance
from sim.plant.weather import WeatherSource
from sim.plant.workload import LoadSource

DT_S = 1.0
INPUTS_S = 300.0
"""Load and weather are computed for so long at once."""

LOCAL_CONTROLS = {"fixed": Fixed, "guideline36": Guideline36}


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a point shows, canonical unit; ``ok`` False where its sensor has failed."""

    value: float | None
    ok: bool
    time_s: float


class Simulation:
    """A facility that stands at one moment until it is advanced.

    Parameters
    ----------
    site, parameters
        The site, and what only the simulator knows of it.
    load, weather
        Inputs; a wet bulb that the load brings (a measured trace) outranks the weather.
    local_control
        ``guideline36`` or ``fixed``.
    start_s
        Plant time at which it stands first, whole seconds.
    seed
        Of the sensors.
    faults
        What breaks, where and when (`set_faults`).

    Raises
    ------
    ValueError
        There is no local control of that name, the site sets what this plant has not, or a
        fault cannot be (`FaultError`).
    """

    def __init__(
        self,
        site: Site,
        parameters: PlantParameters,
        *,
        load: LoadSource,
        weather: WeatherSource,
        local_control: str,
        start_s: float,
        seed: int,
        faults: Sequence[Fault] = (),
    ) -> None:
        self.site, self._units = site, parameters.units
        self._shared_units = parameters.units
        rows = {kind: len(ids) for kind, ids in parameters.ids.items()}
        self._memory = Memory(rows)
        self._links = links(site)
        self._commissioned = Commissioned.of(site)
        self._setpoint_places = self._commissioned.places(self._memory)
        self._load, self._weather = load, merged_weather(load, weather)
        self._now_s = float(start_s)
        self._step_s = DT_S
        self._step_number = 0
        self._authority = DeviceAuthority(site)
        settle(self._memory)
        self._local = self._control(local_control)
        self._wanted = self._commissioned.value.copy()
        self._at_panel: dict[int, float] = {}
        self._actuator = {name: i for i, name in enumerate(site.actuators)}
        charged = [i for i, a in enumerate(site.actuators.values()) if a.quantity == CHARGE]
        self._charge = np.array(charged, dtype=np.int64)
        self._charged_loop = self._commissioned.loops_of(self._charge)
        self._next_control_s = self._now_s
        self._inputs_from_s = self._inputs_to_s = self._now_s
        self._load_kw: Array = np.zeros((0, len(site.racks)))
        self._air: Array = np.zeros((0, 3))
        self._open_accounts()

        self._places = places(site, self._memory)
        measured = [
            p
            for p in site.points.values()
            if p.role is Role.SENSOR
            and not self._authority.owns(p.tag)
            and (p.equipment, p.quantity) in self._places
        ]
        self._row = {p.tag: i for i, p in enumerate(measured)}
        self._rows: dict[tuple[str, ...], NDArray[np.intp]] = {}
        self._measured_places = np.array(
            [self._places[p.equipment, p.quantity] for p in measured], dtype=np.int64
        )
        self._sensors = Sensors(measured, seed)
        self._contacts = Contacts(site, self._row)
        self._seen: Array | None = None
        self._faults: FaultEngine | None = None
        self._next_fault_s = np.inf
        if faults:
            self.set_faults(faults)

    @property
    def now_s(self) -> float:
        """Plant time."""
        return self._now_s

    @property
    def step_s(self) -> float:
        """Length of a step; another one is for studies of the integration alone."""
        return self._step_s

    @step_s.setter
    def step_s(self, seconds: float) -> None:
        if not 0.0 < seconds <= DT_S or abs(DT_S / seconds - round(DT_S / seconds)) > 1e-9:
            raise ValueError(
                f"a step of {seconds:g} s: load and weather are known by the second, so give a"
                " whole fraction of one"
            )
        self._step_s = float(seconds)
        self._inputs_to_s = self._now_s

    @property
    def local_control(self) -> str:
        """The name of the local control."""
        return self._local.name

    def advance(self, to_s: float) -> None:
        """Bring the facility to ``to_s``, in whole steps (of a second)."""
        left = int(np.floor((to_s - self._now_s) / self._step_s + 1e-9))
        while left > 0:
            if self._now_s >= self._next_control_s - 1e-6:
                self._local.sequencer.asked = asked_of(
                    self.site, self._commissioned, self._authority, self._panel(), self._now_s
                )
                self._wanted = self._local.update(self._memory.state, PERIOD_S)
                show_own_stages(self._commissioned, self._memory.state, self._wanted)
                self._local.sequencer.run_storage(self._memory.state, self._memory.pipes.tank)
                self._commissioned.follow_storage(self._wanted, self._memory.state)
                self._next_control_s = self._now_s + PERIOD_S
            # Who holds a device can only change from one second to the next while it is not
            # local control that holds them all.
            steps = 1
            if self._authority.is_all_local():
                steps = min(left, round((self._next_control_s - self._now_s) / self._step_s))
            left -= self._run(steps)

    def read(self, tag: str) -> Measurement:
        """What the point ``tag`` shows now; an unknown or silent one has no value."""
        if self._faults is not None and self._is_lost(tag):
            return Measurement(None, False, self._now_s)
        if self._authority.owns(tag):
            return Measurement(self._authority.read(tag, self._now_s), True, self._now_s)
        if tag in self._contacts:
            return Measurement(self._contact(tag), True, self._now_s)
        row = self._row.get(tag)
        if row is None:
            return Measurement(None, False, self._now_s)
        return Measurement(float(self._shown()[row]), True, self._now_s)

    def is_sensor(self, tag: str) -> bool:
        """Whether a sensor of the plant shows ``tag``: not a register, not a contact."""
        return tag in self._row and tag not in self._contacts and not self._authority.owns(tag)

    def sense(self, tags: tuple[str, ...]) -> Array:
        """What the sensors of ``tags`` show now, all in one go; NaN where a fault loses one.

        Raises
        ------
        KeyError
            One of them has no sensor (`is_sensor`).
        """
        if tags not in self._rows:
            self._rows[tags] = np.array([self._row[tag] for tag in tags], dtype=np.intp)
        seen = self._shown()[self._rows[tags]]
        if self._faults is not None:
            seen[[self._is_lost(tag) for tag in tags]] = np.nan
        return seen

    def write(self, tag: str, value: float) -> bool:
        """Write to a device, as over its protocol; False where it rejects the write."""
        if self._faults is not None and self._is_lost(tag):
            return False
        return self._authority.write(tag, value, self._now_s)

    def truth(self) -> Mapping[str, float]:
        """Noise-free values by tag, with the setpoints in force."""
        block, out = self._memory.block, self._contacts.all()
        for point in self.site.points.values():
            place = self._places.get((point.equipment, point.quantity))
            if place is not None and point.role in (Role.SENSOR, Role.SETPOINT):
                out[point.tag] = float(block[place])
        if self._faults is not None:
            out |= self._faults.contacts
        for actuator in self.site.actuators.values():
            out[actuator.read_back] = out.get(actuator.id, 0.0)
        return out

    def accounts(self) -> Accounts:
        """The account since it was opened (construction, or the last `open_accounts`)."""
        a = self._memory.state.accounts[0]
        return Accounts(
            seconds=float(a["seconds"]),
            it_energy_kwh=float(a["it_kwh"]),
            energy_kwh={
                name: float(a[f"{name}_kwh"])
                for name in ("chillers", "towers", "pumps", "fans", "cdus")
            },
            limit_violation_degree_minutes=float(a["violation_k_min"]),
            peak_excess_k=max(0.0, float(a["peak_excess_k"])),
            over_recommended_degree_minutes=float(a["over_recommended_k_min"]),
            throttled_kwh=float(a["throttled_kwh"]),
            peak_cooling_kw=float(a["peak_cooling_kw"]),
            peak_facility_kw=float(a["peak_facility_kw"]),
            heat_kwh=float(a["heat_kwh"]),
            rejected_kwh=float(a["rejected_kwh"]),
            stored_at_start_kwh=self._stored_at_start_kwh,
            stored_at_end_kwh=stored_heat_kwh(self._units, self._memory),
            water_m3=float(a["water_m3"]),
            make_up_water_m3=float(a["make_up_m3"]),
        )

    def open_accounts(self) -> None:
        """Start the account anew from here."""
        self._open_accounts()

    def switch_local_control(self, name: str) -> None:
        """Hand the plant to another local control, which starts from how the plant stands."""
        self._local = self._control(name)
        self._next_control_s = self._now_s

    def set_at_panel(self, values: Mapping[str, float]) -> None:
        """Setpoints (by actuator id) that a person sets at the devices themselves.

        They stand in the place of local control's until the next call: a remote that holds a
        device outranks them as it outranks local control. An empty mapping gives all of
        them back to local control.

        Raises
        ------
        KeyError
            There is no such actuator.
        """
        self._at_panel = {self._actuator[name]: value for name, value in values.items()}

    def set_contact(self, tag: str, value: float) -> None:
        """Close (1) or open (0) a contact of the building or of a machine (`sim.contacts`).

        Raises
        ------
        KeyError
            There is no such contact.
        """
        self._contacts.put(tag, value)

    def set_faults(self, faults: Sequence[Fault]) -> None:
        """What breaks from now on, in the place of the faults so far; those that stay go on.

        Raises
        ------
        FaultError
            A fault cannot be at this site.
        """
        if self._faults is None:
            # Faults change parameters of machines; others share those of the site.
            shared = self._shared_units._asdict()
            self._units = Units(**{name: table.copy() for name, table in shared.items()})
            self._faults = FaultEngine(self.site, self._units, self._memory, self._row)
        self._faults.set(faults)
        self._change_faults(self._faults)

    @property
    def faults(self) -> tuple[Fault, ...]:
        """All faults that were given, past and future ones too."""
        return () if self._faults is None else self._faults.faults

    def active_faults(self) -> tuple[Fault, ...]:
        """The faults that hold now."""
        return () if self._faults is None else self._faults.active(self._now_s)

    def answers(self, device: str) -> bool:
        """Whether a device answers on the network."""
        return self._faults is None or device not in self._faults.silent

    def copy(self) -> Simulation:
        """An independent simulation that stands where this one stands.

        A simulation can be pickled as well: a state is saved by `pickle.dump` and goes on
        bit for bit after `pickle.load`.
        """
        twin = copy.copy(self)
        memo: dict[int, object] = {id(self.site): self.site}
        twin._memory = copy.deepcopy(self._memory, memo)
        if self._faults is not None:
            twin._units = copy.deepcopy(self._units, memo)
            twin._faults = copy.deepcopy(self._faults, memo)
        twin._authority = copy.deepcopy(self._authority)
        # The control's tables are shared parameters; what it remembers is its own.
        twin._local = copy.deepcopy(self._local)
        twin._at_panel = dict(self._at_panel)
        twin._contacts = copy.deepcopy(self._contacts)
        return twin

    def _control(self, name: str) -> LocalControl:
        if name not in LOCAL_CONTROLS:
            known = ", ".join(LOCAL_CONTROLS)
            raise ValueError(f"there is no local control {name!r}; there are {known}")
        control: LocalControl = LOCAL_CONTROLS[name](self._units, self._links, self._commissioned)
        return control

    def _panel(self) -> dict[int, float]:
        """By actuator: what people have set at the panels, in a fault too."""
        if self._faults is None:
            return self._at_panel
        found = {self._actuator[name]: value for name, value in self._faults.panel.items()}
        return {**self._at_panel, **found}

    def _run(self, steps: int) -> int:
        """Run at most ``steps`` seconds under the setpoints in force; answers how many."""
        if self._faults is not None:
            until_s = self._next_fault_s - self._now_s
            if until_s < steps * self._step_s:
                steps = max(1, int(np.ceil(until_s / self._step_s - 1e-9)))
        row = self._commissioned.actuator_row
        setpoints = self._wanted.copy()
        local = self._wanted[row]
        panel = self._panel()
        for i, value in panel.items():
            local[i] = value
        setpoints[row] = self._authority.in_force(local, self._now_s, self._step_s)
        if len(self._charge):
            by_others = self._authority.not_local()[self._charge]
            by_others |= [i in panel for i in self._charge]
            self._memory.state.loops["tank_asked"][self._charged_loop] = by_others
        self._commissioned.lead(setpoints)
        self._memory.block[self._setpoint_places] = setpoints
        if self._faults is not None:
            self._faults.impose(self._memory.block)
        if self._now_s >= self._inputs_to_s - 1e-6:
            self._look_ahead()
        first = round((self._now_s - self._inputs_from_s) / self._step_s)
        steps = min(steps, len(self._load_kw) - first)
        advance(
            self._units,
            self._memory.state,
            self._links,
            self._memory.pipes,
            self._load_kw[first : first + steps],
            self._air[first : first + steps],
            self._step_s,
        )
        self._now_s += steps * self._step_s
        self._step_number += steps
        self._seen = None
        if self._faults is not None and self._now_s >= self._next_fault_s - 1e-6:
            self._change_faults(self._faults)
        return steps

    def _change_faults(self, faults: FaultEngine) -> None:
        """Break and mend what is due now."""
        faults.change(self._now_s, self._show)
        self._authority.switch_to_local(faults.local)
        self._next_fault_s = faults.next_change_s(self._now_s)
        self._seen = None

    def _shown(self) -> Array:
        """What all sensors show at this moment."""
        if self._seen is None:
            self._seen = self._show()
            if self._faults is not None:
                self._seen = self._faults.freeze(self._seen)
        return self._seen

    def _show(self) -> Array:
        """What all sensors show, frozen ones aside."""
        errors = None if self._faults is None else self._faults.sensor_errors(self._now_s)
        truth = self._memory.block[self._measured_places]
        return self._sensors.measure(truth, self._step_number, errors)

    def _contact(self, tag: str) -> float:
        tripped = {} if self._faults is None else self._faults.contacts
        return tripped.get(tag, self._contacts[tag])

    def _is_lost(self, tag: str) -> bool:
        """Whether a fault keeps a point from being read or written."""
        if self._faults is None or (point := self.site.points.get(tag)) is None:
            return False
        return tag in self._faults.lost or point.device in self._faults.silent

    def _look_ahead(self) -> None:
        """Load and weather of the next minutes, by the second: at the end of each.

        Shorter steps see the same seconds, several times each.
        """
        seconds = min(INPUTS_S, max(DT_S, np.floor(self._load.ends_at_s() - self._now_s)))
        times_s = self._now_s + DT_S * np.arange(1, round(seconds / DT_S) + 1)
        every = round(DT_S / self._step_s)
        self._load_kw = np.repeat(self._load.rack_kw(times_s), every, axis=0)
        self._air = np.repeat(self._weather.at_times(times_s), every, axis=0)
        self._inputs_from_s, self._inputs_to_s = self._now_s, float(times_s[-1])

    def _open_accounts(self) -> None:
        table = self._memory.state.accounts
        for column in ACCOUNTS.meaning:
            table[column] = 0.0
        self._stored_at_start_kwh = stored_heat_kwh(self._units, self._memory)
