"""A facility to run against: plant, building controls, faults, scenarios, devices on real sockets.

It shares no code with what it judges and imports `facility` alone, so that a mistake in a model or
in the envelope cannot hide behind the same mistake in the plant.
"""
