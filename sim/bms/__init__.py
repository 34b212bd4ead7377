"""The control that a building already has: it runs the plant whenever nobody else does.

It is the reference that savings are judged against, so it is written as its authors would
want it: every parameter is named and carries its source.
"""
