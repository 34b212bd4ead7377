"""Runs the envelope's own arithmetic on symbols, and asks Z3 about every value at once."""
