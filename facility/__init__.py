"""What a site is, and the words that every part of Isotherm shares.

Standard library only. Everything here is an immutable description or a pure
conversion; the one thing that waits is a clock (`facility.clock`).
"""
