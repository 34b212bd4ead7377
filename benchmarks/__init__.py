"""How fast and how large.

Timings and memory are kept out of the tests, so that no verdict depends on a clock; `make bench`
measures them.
"""
