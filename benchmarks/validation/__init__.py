"""The simulated plant held against what others built, measured and published.

``python -m benchmarks.validation`` prints every comparison, ``--plots`` draws the pictures of
``docs/simulation.md`` and renews its figures. Each module answers one question:

=================  ==================================================================
`office`           the plant of an office in both languages: EnergyPlus input and site
`energyplus`       runs EnergyPlus on it, in a process of its own
`same_plant`       the same days through both, hour by hour
`components`       chillers, towers, exchangers, moist air at single points
`cooling_loss`     minutes to the limit when pumps, air or a chiller fail
`frontier_day`     the measured day of the Frontier supercomputer
`pictures`         the plots
=================  ==================================================================
"""
