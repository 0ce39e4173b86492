"""The typed client of the API: `Client`::

with Client("http://localhost:8080", token) as meterstone:
    passed = [gate.title for gate in meterstone.gates() if gate.passed]
"""

from meterstone.client.client import Client
from meterstone.client.errors import ApiError, TooManyRequests

__all__ = ["ApiError", "Client", "TooManyRequests"]
