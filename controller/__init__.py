"""What decides: the tick from snapshot to command, and the service around it.

Estimation, planning, authority (who approved what, until when), evaluation, alarms, storage, the
service with its console, and the command line. The parts are wired together in one place,
`controller.assembly`; nothing below this package knows of it.
"""
