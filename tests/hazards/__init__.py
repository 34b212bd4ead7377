"""The hazard table, held against the checks, tests and mutants that there are."""
