"""The physics: one module a physical thing, each with its parameters, state and kernel.

A module declares two layouts (what a unit's nameplate and curves are, and what changes with
time), derives the parameters of its units from the site, and holds the compiled function that
carries its units through one step. `sim.plant.step` runs them in the order of the water.
"""
