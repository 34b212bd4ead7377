"""From an estimate and a forecast to a verified plan, and from a plan to a proposal.

``problem`` states the mathematics once, ``linearise`` gives it its numbers, ``solve`` runs the
chain of solvers and fallbacks, ``verify`` rolls every rack out, ``worker`` keeps it all in a
process with a wall-clock limit, ``proposal`` puts the result into an engineer's words.
"""
