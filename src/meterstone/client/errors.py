"""What the API says no with."""

from __future__ import annotations

from meterstone.errors import MeterstoneError


class ApiError(MeterstoneError):
    """The API refused a request.

    Attributes:
        status: of the answer.
        kind: the kind of error, as the server names it.
    """

    def __init__(self, status: int, cause: str, *, place: str, mend: str, kind: str = "") -> None:
        super().__init__(cause, place=place, mend=mend)
        self.status = status
        self.kind = kind


class TooManyRequests(ApiError):
    """More was asked than the limit allows, also after waiting as told."""
