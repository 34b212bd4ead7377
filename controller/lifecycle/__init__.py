"""The life of a model: judged, promoted through written gates, watched, refitted, explained.

`models` knows how; here is what a site does with it: which figures let a model into use, which
days of telemetry it is refitted on, and what people are told.
"""
