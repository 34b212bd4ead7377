"""The demonstration: a simulated hall, its gateway and its controller as real processes.

Nothing here decides or measures: it starts the same commands that a site would run,
beside the baselines that the simulator runs on its own, and puts their records together.
"""
