"""Meterstone: measure an integration programme, and declare success only when the evidence holds."""

__version__ = "0.1.0"
