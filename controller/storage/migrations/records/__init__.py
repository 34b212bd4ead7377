"""The migrations of the chain ``records``."""
