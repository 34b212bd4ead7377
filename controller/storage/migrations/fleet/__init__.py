"""The migrations of the chain ``fleet``."""
