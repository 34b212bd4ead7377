"""What the envelope's own worst case assumes of a plant: the table ``[worst_case]`` of a site.

Deliberately few and coarse figures, from nameplates and commissioning, all on the safe side of
what a plant does. `safety.backup` computes with them; nothing is learned. A site states its own
where it has measured better ones.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WorstCase:
    """The worst credible step and how a plant answers it. Times in s, differences in K."""

    rise_s: float = 60.0
    """Every rack rises to its rated power in so long. Job starts and ends of training clusters
    move megawatts within a minute (Choukse et al., arXiv:2508.14318)."""
    idle_share: float = 0.1
    """Least load before the step, of rated: an idle accelerator draws about 72 of 700 W."""
    answer_s: float = 85.0
    """From a rise of load to the valve that carries it: detection and a full stroke of 75 s (60
    to 120 s are usual). Equal-percentage valves carry most of their flow at the end of it."""
    tcs_holdup_s: float = 60.0
    """Coolant of a CDU's secondary loop over its design flow."""
    fws_holdup_s: float = 120.0
    """The same of a facility water loop with its exchangers."""
    tower_holdup_s: float = 190.0
    """The same of the tower water with its basins."""
    air_holdup_s: float = 90.0
    """Air and metal of a hall and of its coils over the CRAHs' design air."""
    restart_s: float = 300.0
    """From the loss of a chiller until the next one begins to carry load. A machine that has just
    stopped waits for its own ``min_off_s`` besides where there is no third one."""
    loading_per_min: float = 0.1
    """Share of its capacity that a chiller takes on in a minute."""
    cdu_approach_k: float = 5.0
    """Secondary over facility supply at rated load: 3 to 5 K of liquid-to-liquid CDUs."""
    exchanger_approach_k: float = 2.5
    """Facility water over tower water behind a plate exchanger at rated load."""
    coil_approach_k: float = 6.0
    """Supply air over chilled water at rated load."""
    tower_approach_k: float = 3.9
    """Tower water over wet bulb at rated load: CTI's rating, 7 °F at 78 °F wet bulb."""
    tower_range_k: float = 5.6
    """Return over supply of the tower water at rated load: CTI's rating, 10 °F."""
    design_wet_bulb_c: float = 25.6
    """Counted where no wet bulb is measured: that of CTI's rating, 78 °F."""
    wet_bulb_rise_k: float = 1.0
    """How far the wet bulb may rise while a setpoint stands."""
    rest_c: float = 20.0
    """Chilled water of a loop whose machines stand."""
    case_rise_k: float | None = None
    """Case over coolant supply at rated power and design flow. None: what the racks' design
    temperature leaves above the CDU's highest supply."""
    case_tolerance: float = 0.1
    """Of that rise: uneven flow, leakage of hot chips, spread of interfaces."""
    air_rise_k: float = 12.5
    """Air through a rack at rated power: 120 to 160 CFM for each kW are 11 to 14 K."""
    server_air_share: float = 1.15
    """What servers draw at most, over their air at rated power: their fans speed up when warm."""
    recirculation: float = 0.15
    """Share of recirculated air at the worst rack with ample supply (0.02 to 0.15)."""
    recirculation_gain: float = 0.25
    """Its growth with servers' over CRAHs' air, from 0.9 of it on."""
