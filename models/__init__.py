"""What is learned from data.

Thermal and power models with their uncertainty, how they are trained, forecast with, registered and
watched for drift. They take tables of a documented schema and know neither a store nor the
controller; of this code base they import `facility` alone.
"""
