"""``Square-Version``: any date is taken, and said back."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

OWN = "2025-08-20"
"""The version of the published specification that the records follow."""


class Version:
    """Middleware that answers with the version that was asked for."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = dict(scope["headers"]).get(b"square-version", OWN.encode())

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"square-version", asked)]}
            await send(message)

        await self._app(scope, receive, told)
