"""Telling people outside: mail and webhook, for alarms and for proposals that wait.

`words` says what a message is and by which rules it goes out, `outbox` decides what is due, and
`ways` carries it. What was told is on record, so that a restart tells nothing twice.
"""
