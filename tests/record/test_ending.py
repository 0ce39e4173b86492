"""A server that is asked to end tells so at once: streams would go on for ever."""

from __future__ import annotations

import signal

import uvicorn

from meterstone.record.serving import _Server


def test_what_would_go_on_by_itself_is_ended_when_the_signal_comes() -> None:
    told: list[str] = []

    async def app(*_: object) -> None:
        """Never called."""

    server = _Server(uvicorn.Config(app), lambda: told.append("ended"))
    server.handle_exit(signal.SIGTERM, None)
    assert told == ["ended"]
    assert server.should_exit
