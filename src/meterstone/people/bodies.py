"""Bodies of requests, bounded: read once by the guard, given on to what answers."""

from __future__ import annotations

from starlette.types import Message, Receive

HEAD_BYTES = 64 * 1024
"""How far into a form with files the guard looks for the token."""


class TooLarge(Exception):  # never leaves the guard
    """A body beyond its limit."""


class Body:
    """The body of a request.

    Args:
        receive: of the server.
        most: bytes; None: whoever reads it has a limit.

    Attributes:
        most: as given.
        too_large: the limit was passed; what answers was told that the client left.
    """

    def __init__(self, receive: Receive, most: int | None) -> None:
        self._receive = receive
        self.most = most
        self._read: list[Message] = []
        self._size = 0
        self.too_large = False

    async def head(self, enough: int | None) -> bytes:
        """The body up to about so many bytes; None: all of it.

        Raises:
            TooLarge: it is larger than it may be.
        """
        found = bytearray()
        while enough is None or len(found) < enough:
            message = await self._counted()
            self._read.append(message)
            if self.too_large:
                raise TooLarge
            found += message.get("body", b"")
            if not message.get("more_body", False):
                break
        return bytes(found)

    async def __call__(self) -> Message:
        """What the application receives: what was read already, then the rest."""
        if self._read:
            return self._read.pop(0)
        message = await self._counted()
        return {"type": "http.disconnect"} if self.too_large else message

    async def _counted(self) -> Message:
        message = await self._receive()
        self._size += len(message.get("body", b""))
        if self.most is not None and self._size > self.most:
            self.too_large = True
        return message
