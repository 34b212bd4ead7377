"""What touches the field: drivers, the gateway that owns every write, commissioning, and feeds.

The gateway is the only process with field credentials and write sockets, and whatever it loads lies
here, in `safety` or in `facility`: so nothing in this package imports torch, cvxpy, a web server or
the controller.
"""
