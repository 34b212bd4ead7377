"""What is remembered: telemetry and records, behind two ports.

`ports` says what a store promises; `telemetry` and `records` keep the promises on one
machine with SQLite and Parquet, nothing to install. Only ``isotherm serve`` writes telemetry.
"""
