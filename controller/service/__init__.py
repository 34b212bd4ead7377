"""REST under ``/v1``: what people and programs read of Isotherm and ask of it."""
