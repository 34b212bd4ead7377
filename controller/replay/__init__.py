"""Past decisions computed again from their records, and other models over recorded periods."""
