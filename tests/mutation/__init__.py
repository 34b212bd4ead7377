"""Breaks the envelope in every way there is, and shows which tests notice."""
