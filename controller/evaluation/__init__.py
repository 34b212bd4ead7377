"""What a finished run was worth: its accounts, its safety, and who held the plant.

`write_report` reads a run's folder and writes ``report.json`` and ``report.html``; everything but
timings follows from the files alone, so that a report can be made again from a kept run.
"""

from controller.evaluation.files import EvaluationError
from controller.evaluation.report import Report, build_report, headline, write_report

__all__ = ["EvaluationError", "Report", "build_report", "headline", "write_report"]
