"""How fast, how large, how good: figures that belong in a report rather than in a verdict.

Timings and memory are kept out of the tests, so that no test depends on a clock. Each module of
this package that has a function ``measure`` is a benchmark, called by the module's name::

    '''What it is about, in one line: shown by `python -m benchmarks --list`.'''

    SCOPE = "what the figures cover, and what they do not"

    def measure(bench: Bench) -> Iterator[Measure]:
        yield Measure("speed", 7300.0, "x real time", 5000.0, "at_least", how="...")

``python -m benchmarks NAME --json`` prints one object; ``--full`` runs the study behind it, whose
steps are kept in a work folder and taken up again where it was interrupted; without a name all
defaults run, and their sections of ``docs/benchmarks.md`` are renewed.
"""
