"""Shadow: what Isotherm would have done beside a plant that ran itself, and what that is worth.

The recorded plant is replayed minute by minute. Beside it the learned model carries on a second
hall, in the same weather under the same load, whose setpoints are ours (`replica`); the control
step that runs live looks at that hall, and the envelope judges what it would have written
(`study`). Energy, temperatures and their uncertainty are estimated from the two (`estimate`), and
weighed against criteria that were written down before (`verdict`).
"""

from controller.evaluation.shadow.estimate import Estimate, estimate
from controller.evaluation.shadow.replica import Replica, ShadowError
from controller.evaluation.shadow.study import ShadowStudy, run_shadow
from controller.evaluation.shadow.verdict import Reason, reasons

__all__ = [
    "Estimate",
    "Reason",
    "Replica",
    "ShadowError",
    "ShadowStudy",
    "estimate",
    "reasons",
    "run_shadow",
]
