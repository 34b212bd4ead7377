"""Connecting to a real site: what points say, what devices hold, what actuators do.

Everything that touches the field happens in the gateway, through its socket: reads by
`adapters.gateway.probe`, writes as the commands of a named person, inside the envelope.
The judgement of what was seen is here, and runs with whoever asked.
"""
