"""The gateway: the only process that writes to the field, and what decides when it may.

`core` decides without I/O, `write_gate` is the only code that sends a write, and the
shells bring drivers, a socket and a clock. It starts silent, arms a device on the first
command that is permitted, and gives every device back whenever it is in doubt.
"""
