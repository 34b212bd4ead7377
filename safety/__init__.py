"""The envelope: what may be written to the field, whoever asks.

Pure functions over the standard library and `facility` alone, without an off switch, and small
enough to be read in an afternoon. A command is allowed, limited to a safe value, or refused; only
an allowed one yields a permit, and only a permit opens the write gate.
"""
