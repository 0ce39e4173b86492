"""Meterstone: measure an integration programme; declare success only when the evidence holds."""

__version__ = "0.1.0"
