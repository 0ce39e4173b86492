"""The API under ``/api/v1``: one module a subject, one document (OpenAPI 3.1) that describes it.

What is read comes from the board and from now; see docs/api.md and docs/decisions/0018.
"""

from meterstone.publish.api.app import PREFIX, api_routes, create_api
from meterstone.publish.api.ports import Ports

__all__ = ["PREFIX", "Ports", "api_routes", "create_api"]
