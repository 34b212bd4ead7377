"""The office's plant as EnergyPlus input."""

from __future__ import annotations

import numpy as np

from benchmarks.validation.office import (
    CELL_FAN_KW,
    CELL_MIN_SHARE,
    CELLS,
    CHILLER_COP,
    CHILLER_KW,
    CHILLERS,
    CURVES,
    MIN_FAN_SPEED,
    MIN_PART_LOAD,
    Plant,
    Season,
)
from sim.plant.layout import Array

STEPS_PER_HOUR = 6
SECOND_CHILLER_KW = 780.0
"""Load from which EnergyPlus runs two: our sequence's thresholds lie on both sides of it."""

VARIABLES = {
    "dry_bulb_c": ("Environment", "Site Outdoor Air Drybulb Temperature"),
    "wet_bulb_c": ("Environment", "Site Outdoor Air Wetbulb Temperature"),
    "load_w": ("Computers", "Plant Load Profile Heat Transfer Rate"),
    "chiller1_w": ("Chiller 1", "Chiller Electricity Rate"),
    "chiller2_w": ("Chiller 2", "Chiller Electricity Rate"),
    "cooling1_w": ("Chiller 1", "Chiller Evaporator Cooling Rate"),
    "cooling2_w": ("Chiller 2", "Chiller Evaporator Cooling Rate"),
    "evaporator1_c": ("Chiller 1", "Chiller Evaporator Outlet Temperature"),
    "condenser1_c": ("Chiller 1", "Chiller Condenser Outlet Temperature"),
    "condenser1_kgs": ("Chiller 1", "Chiller Condenser Mass Flow Rate"),
    "fan_w": ("Tower", "Cooling Tower Fan Electricity Rate"),
    "tower_in_c": ("Tower", "Cooling Tower Inlet Temperature"),
    "tower_out_c": ("Tower", "Cooling Tower Outlet Temperature"),
    "tower_kgs": ("Tower", "Cooling Tower Mass Flow Rate"),
    "tower_heat_w": ("Tower", "Cooling Tower Heat Transfer Rate"),
    "air_share": ("Tower", "Cooling Tower Air Flow Rate Ratio"),
    "exchanger_w": ("Economiser", "Fluid Heat Exchanger Heat Transfer Rate"),
    "exchanger_kgs": ("Economiser", "Fluid Heat Exchanger Loop Demand Side Mass Flow Rate"),
    "pump_w": ("Chilled Pump", "Pump Electricity Rate"),
    "pump_heat_w": ("Chilled Pump", "Pump Fluid Heat Gain Rate"),
    "supply_c": ("Chilled Supply Outlet", "System Node Temperature"),
    "return_c": ("Chilled Supply Inlet", "System Node Temperature"),
    "supply_kgs": ("Chilled Supply Outlet", "System Node Mass Flow Rate"),
}
"""What is compared: column -> (key, output variable)."""


def idf(
    plant: Plant, season: Season, *, tower_model: str = "YorkCalc", exchanger_share: float = 1.0
) -> str:
    """The whole input; ``load.csv`` lies beside it (`schedule`)."""
    objects = [
        *_simulation(season),
        *_chilled_loop(plant, season, exchanger_share),
        *(_chiller(plant, i + 1, season) for i in range(CHILLERS)),
        *_curves(plant),
        *_condenser_loop(plant, tower_model),
        *_operation(season),
        *(_object("Output:Variable", key, name, "Timestep") for key, name in VARIABLES.values()),
        _object("Output:SQLite", "Simple"),
    ]
    return "\n".join(objects) + "\n"


def schedule(time_s: Array, load_kw: Array, flow_ls: Array, peak_ls: float) -> str:
    """``load.csv``: a year of 10-minute rows, load in W and share of the peak flow.

    Parameters
    ----------
    time_s, load_kw, flow_ls
        Seconds of the year, and the mean load and flow of the step that ends there; the first
        and last value hold before and after.
    peak_ls
        Design flow of the load profile.
    """
    ends = np.arange(1, 8760 * STEPS_PER_HOUR + 1) * 3600.0 / STEPS_PER_HOUR
    kw, ls = np.interp(ends, time_s, load_kw), np.interp(ends, time_s, flow_ls)
    lines = [f"{-1e3 * a:.1f},{b / peak_ls:.6f}" for a, b in zip(kw, ls, strict=True)]
    return "\n".join(["load_W,flow_share", *lines]) + "\n"


def _object(kind: str, *fields: object) -> str:
    return f"{kind},\n  " + ",\n  ".join("" if f is None else str(f) for f in fields) + ";"


def _simulation(season: Season) -> list[str]:
    last = season.day + season.days - 1
    return [
        _object("Version", "25.2"),
        _object("SimulationControl", "No", "No", "No", "No", "Yes"),
        _object("Building", "Plant alone", 0, "Suburbs", 0.04, 0.4, "FullExterior", 25, 6),
        _object("Timestep", STEPS_PER_HOUR),
        _object("ConvergenceLimits", 1, 60, 40, 120),
        _object("GlobalGeometryRules", "UpperLeftCorner", "Counterclockwise", "Relative"),
        _object(
            "RunPeriod", season.name, season.month, season.day, None, season.month, last, None,
            "Monday", "No", "No", "No", "Yes", "Yes",
        ),
        _object("ScheduleTypeLimits", "Any"),
        _object("Schedule:Constant", "Always", "Any", 1),
        _object("Schedule:Constant", "Never", "Any", 0),
        _object("Schedule:Constant", "Chilled Setpoint", "Any", season.chw_c),
        _object("Schedule:Constant", "Tower Setpoint", "Any", season.cw_c),
        *(
            _object(
                "Schedule:File", name, "Any", "load.csv", column, 1, 8760, "Comma", "No",
                60 // STEPS_PER_HOUR,
            )
            for column, name in ((1, "Load"), (2, "Flow"))
        ),
        _object(
            "SetpointManager:Scheduled", "Chilled Manager", "Temperature", "Chilled Setpoint",
            "Chilled Supply Outlet",
        ),
        _object(
            "SetpointManager:Scheduled", "Economiser Manager", "Temperature", "Chilled Setpoint",
            "Economiser Outlet",
        ),
        _object(
            "SetpointManager:Scheduled", "Tower Manager", "Temperature", "Tower Setpoint",
            "Tower Supply Outlet",
        ),
    ]  # fmt: skip


def _pipe(name: str, inlet: str, outlet: str) -> list[str]:
    return [
        _object("Pipe:Adiabatic", name, inlet, outlet),
        _object("Branch", f"{name} Branch", None, "Pipe:Adiabatic", name, inlet, outlet),
    ]


def _side(name: str, inlet: str, parallel: list[str], outlet: str) -> list[str]:
    """Branch list, splitter and mixer of one side of a loop."""
    return [
        _object("BranchList", f"{name} Branches", inlet, *parallel, outlet),
        _object("Connector:Splitter", f"{name} Splitter", inlet, *parallel),
        _object("Connector:Mixer", f"{name} Mixer", outlet, *parallel),
        _object(
            "ConnectorList", f"{name} Connectors", "Connector:Splitter", f"{name} Splitter",
            "Connector:Mixer", f"{name} Mixer",
        ),
    ]  # fmt: skip


def _chilled_loop(plant: Plant, season: Season, exchanger_share: float) -> list[str]:
    available = "Always" if season.economiser else "Never"
    flow = plant.loop_ls * 1e-3
    chillers = [f"Chiller {i + 1}" for i in range(CHILLERS)]
    return [
        _object(
            "PlantLoop", "Chilled Loop", "Water", None, "Chilled Operation",
            "Chilled Supply Outlet", 60, 1, 1.2 * flow, 0, 1.0,
            "Chilled Supply Inlet", "Chilled Supply Outlet",
            "Chilled Supply Branches", "Chilled Supply Connectors",
            "Chilled Demand Inlet", "Chilled Demand Outlet",
            "Chilled Demand Branches", "Chilled Demand Connectors", "UniformLoad",
        ),
        *_side(
            "Chilled Supply", "Chilled Inlet Branch",
            [*(f"{name} Branch" for name in chillers), "Chilled Bypass Branch"],
            "Chilled Outlet Branch",
        ),
        _object(
            "Branch", "Chilled Inlet Branch", None,
            "Pump:VariableSpeed", "Chilled Pump", "Chilled Supply Inlet", "Chilled Pump Outlet",
            "HeatExchanger:FluidToFluid", "Economiser", "Chilled Pump Outlet", "Economiser Outlet",
        ),
        # Design head of our header (150 kPa of branches, 100 of the plant), efficiencies alike.
        _object(
            "Pump:VariableSpeed", "Chilled Pump", "Chilled Supply Inlet", "Chilled Pump Outlet",
            1.2 * flow, 250e3, 1.2 * flow * 250e3 / (0.8 * 0.9), 0.9, 1.0, 0, 0, 0, 1, 0,
            "Intermittent",
        ),
        *(
            _object(
                "Branch", f"{name} Branch", None, "Chiller:Electric:ReformulatedEIR", name,
                f"{name} Inlet", f"{name} Outlet",
            )
            for name in chillers
        ),
        *_pipe("Chilled Bypass", "Chilled Bypass Inlet", "Chilled Bypass Outlet"),
        *_pipe("Chilled Outlet", "Chilled Outlet Inlet", "Chilled Supply Outlet"),
        *_side(
            "Chilled Demand", "Chilled Demand Inlet Pipe Branch",
            ["Computers Branch", "Chilled Demand Bypass Branch"],
            "Chilled Demand Outlet Pipe Branch",
        ),
        *_pipe("Chilled Demand Inlet Pipe", "Chilled Demand Inlet", "Chilled Demand Split"),
        _object(
            "Branch", "Computers Branch", None, "LoadProfile:Plant", "Computers",
            "Computers Inlet", "Computers Outlet",
        ),
        _object(
            "LoadProfile:Plant", "Computers", "Computers Inlet", "Computers Outlet", "Load",
            1.2 * flow, "Flow",
        ),
        *_pipe("Chilled Demand Bypass", "Demand Bypass Inlet", "Demand Bypass Outlet"),
        *_pipe("Chilled Demand Outlet Pipe", "Chilled Demand Mix", "Chilled Demand Outlet"),
        _object(
            "HeatExchanger:FluidToFluid", "Economiser", available,
            "Economiser Tower Inlet", "Economiser Tower Outlet", plant.exchanger_ls * 1e-3,
            "Chilled Pump Outlet", "Economiser Outlet", flow,
            "CounterFlow", exchanger_share * plant.exchanger_kw_k * 1e3, "CoolingSetpointModulated",
            "Economiser Outlet", 0.5, "FreeCooling",
        ),
    ]  # fmt: skip


def _chiller(plant: Plant, number: int, season: Season) -> str:
    share = 1.0 if season.economiser else 1.0 / CHILLERS
    name = f"Chiller {number}"
    return _object(
        "Chiller:Electric:ReformulatedEIR", name, CHILLER_KW * 1e3, CHILLER_COP, 6.67, 34.4444,
        plant.loop_ls * share * 1e-3, plant.condenser_ls * 1e-3, "CapFT", "EIRFT",
        "LeavingCondenserWaterTemperature", "EIRFPLR", MIN_PART_LOAD, 1.0, 1.0, MIN_PART_LOAD,
        f"{name} Inlet", f"{name} Outlet", f"{name} Condenser Inlet", f"{name} Condenser Outlet",
        1.0, 4.0, "NotModulated", 0.0,
    )  # fmt: skip


def _curves(plant: Plant) -> list[str]:
    box = (*CURVES.evaporator_c, *CURVES.condenser_c)
    return [
        _object("Curve:Biquadratic", "CapFT", *CURVES.capacity, *box),
        _object("Curve:Biquadratic", "EIRFT", *CURVES.power, *box),
        _object(
            "Curve:Bicubic", "EIRFPLR", *CURVES.part_load, *CURVES.condenser_c,
            *CURVES.part_load_range,
        ),
        _object("Curve:Exponent", "FanPower", 0.03, 0.97, plant.fan_exponent, 0.0, 1.0),
    ]  # fmt: skip


def _condenser_loop(plant: Plant, tower_model: str) -> list[str]:
    users = [*(f"Chiller {i + 1} Condenser" for i in range(CHILLERS)), "Economiser Tower"]
    flow = (CHILLERS * plant.condenser_ls + plant.exchanger_ls) * 1e-3
    return [
        _object(
            "CondenserLoop", "Tower Loop", "Water", None, "Tower Operation",
            "Tower Supply Outlet", 80, 1, flow, 0, 1.0,
            "Tower Supply Inlet", "Tower Supply Outlet",
            "Tower Supply Branches", "Tower Supply Connectors",
            "Tower Demand Inlet", "Tower Demand Outlet",
            "Tower Demand Branches", "Tower Demand Connectors", "SequentialLoad",
        ),
        *_side(
            "Tower Supply", "Tower Inlet Branch", ["Tower Branch", "Tower Bypass Branch"],
            "Tower Outlet Branch",
        ),
        _object(
            "Branch", "Tower Inlet Branch", None, "Pump:VariableSpeed", "Tower Pump",
            "Tower Supply Inlet", "Tower Pump Outlet",
        ),
        _object(
            "Pump:VariableSpeed", "Tower Pump", "Tower Supply Inlet", "Tower Pump Outlet",
            flow, 165e3, flow * 165e3 / (0.8 * 0.9), 0.9, 1.0, 0, 0, 0, 1, 0, "Intermittent",
        ),
        _object(
            "Branch", "Tower Branch", None, "CoolingTower:VariableSpeed", "Tower",
            "Tower In", "Tower Out",
        ),
        _object(
            "CoolingTower:VariableSpeed", "Tower", "Tower In", "Tower Out", tower_model, None,
            25.6, 3.9, 5.56, CELLS * plant.cell_ls * 1e-3, CELLS * 30.0, CELLS * CELL_FAN_KW * 1e3,
            "FanPower", MIN_FAN_SPEED, 0.125, 0, None, None, None, None, None, None, None, None,
            None, None, CELLS, "MaximalCell", CELL_MIN_SHARE, 2.5, 1.0,
        ),
        *_pipe("Tower Bypass", "Tower Bypass Inlet", "Tower Bypass Outlet"),
        *_pipe("Tower Outlet", "Tower Outlet Inlet", "Tower Supply Outlet"),
        *_side(
            "Tower Demand", "Tower Demand Inlet Pipe Branch",
            [*(f"{user} Branch" for user in users), "Tower Demand Bypass Branch"],
            "Tower Demand Outlet Pipe Branch",
        ),
        *_pipe("Tower Demand Inlet Pipe", "Tower Demand Inlet", "Tower Demand Split"),
        *(
            _object(
                "Branch", f"Chiller {i + 1} Condenser Branch", None,
                "Chiller:Electric:ReformulatedEIR", f"Chiller {i + 1}",
                f"Chiller {i + 1} Condenser Inlet", f"Chiller {i + 1} Condenser Outlet",
            )
            for i in range(CHILLERS)
        ),
        _object(
            "Branch", "Economiser Tower Branch", None, "HeatExchanger:FluidToFluid", "Economiser",
            "Economiser Tower Inlet", "Economiser Tower Outlet",
        ),
        *_pipe("Tower Demand Bypass", "Tower Demand Bypass Inlet", "Tower Demand Bypass Outlet"),
        *_pipe("Tower Demand Outlet Pipe", "Tower Demand Mix", "Tower Demand Outlet"),
    ]  # fmt: skip


def _operation(season: Season) -> list[str]:
    """Who runs: by load in summer; beside the economiser one chiller holds its own setpoint.

    EnergyPlus dispatches by the load of the whole loop, economiser included: by load it would
    run two chillers for what the economiser leaves.
    """
    chillers = [("Chiller:Electric:ReformulatedEIR", f"Chiller {i + 1}") for i in range(CHILLERS)]
    first, both = SECOND_CHILLER_KW * 1e3, 1e9
    if season.economiser:
        kind = "PlantEquipmentOperation:ComponentSetpoint"
        chilled = [
            _object(kind, "Chilled Scheme", *chillers[0], "Chiller 1 Inlet", "Chiller 1 Outlet",
                    "Autosize", "Cooling"),
            _object(
                "SetpointManager:Scheduled", "Chiller Manager", "Temperature", "Chilled Setpoint",
                "Chiller 1 Outlet",
            ),
        ]  # fmt: skip
    else:
        kind = "PlantEquipmentOperation:CoolingLoad"
        chilled = [
            _object(kind, "Chilled Scheme", 0, first, "One Chiller", first, both, "Two Chillers"),
            _object("PlantEquipmentList", "One Chiller", *chillers[0]),
            _object("PlantEquipmentList", "Two Chillers", *chillers[0], *chillers[1]),
        ]
    return [
        _object(
            "PlantEquipmentOperationSchemes", "Chilled Operation", kind, "Chilled Scheme", "Always"
        ),
        *chilled,
        _object(
            "CondenserEquipmentList", "Towers", "CoolingTower:VariableSpeed", "Tower",
        ),
        _object(
            "CondenserEquipmentOperationSchemes", "Tower Operation",
            "PlantEquipmentOperation:CoolingLoad", "Tower Scheme", "Always",
        ),
        _object("PlantEquipmentOperation:CoolingLoad", "Tower Scheme", 0, both, "Towers"),
    ]  # fmt: skip
