"""The migrations of the chain ``hot``."""
