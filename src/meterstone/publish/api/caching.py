"""What an answer depends on, so that it can be kept (see `meterstone.publish.cache`)."""

from __future__ import annotations

from fastapi import Depends, Request

from meterstone.publish.cache import depends_on


async def _on_board(request: Request) -> None:
    depends_on(request.scope, "board")


async def _on_now(request: Request) -> None:
    depends_on(request.scope, "now")


BOARD = Depends(_on_board)
"""The operation reads the board alone."""

NOW = Depends(_on_now)
"""The operation reads the state of now alone."""
