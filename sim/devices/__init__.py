"""The simulated plant behind real field protocols.

One Modbus TCP server or OPC UA server for each device of the site, on the device's own
port, and a clock server that steps plant time for the processes that take part. The
register maps come from the points list; nothing here is shared with the adapters, which
are judged by what these devices saw.
"""
