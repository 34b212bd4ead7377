"""What people do on the pages: each form calls the function that REST calls, and nothing else."""

from controller.console.acts import alarms, people, plant, proposals

ROUTERS = tuple(module.router for module in (proposals, plant, alarms, people))
