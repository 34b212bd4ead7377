"""Who may have what done: proposals and their decisions, overrides, and the modes they act in."""
