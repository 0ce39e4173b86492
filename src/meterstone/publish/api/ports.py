"""What the API reads and does things with, and how an operation gets at it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Protocol, cast

from fastapi import Depends, Request

from meterstone.board.model import Board
from meterstone.connect.connecting import Connecting
from meterstone.detect.service import AlertPort
from meterstone.detect.state import Now
from meterstone.framework import Measures
from meterstone.ledger import Ledger
from meterstone.people.rights import Principal
from meterstone.publish.attesting import Attests
from meterstone.publish.findings import Findings
from meterstone.publish.outbound.service import Webhooks
from meterstone.publish.prevention import Prevention
from meterstone.publish.reports.service import Reports


class Evidence(Attests, Protocol):
    """An opened home, as far as attestations and maintenance windows need it."""

    def approve_maintenance(
        self, scope: str, start: datetime, end: datetime, reason: str, person: str, role: str
    ) -> object:
        """Put an approved maintenance window on record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What the operations read and change; `meterstone.cli.site` gives those of a home.

    Attributes:
        now: the state of this moment; gives None until the watch has looked once.
        webhooks: the webhooks out, as somebody changes them who is named in the audit log.
    """

    board: Board
    now: Callable[[], Now | None]
    alerts: AlertPort
    ledger: Ledger
    measures: Measures
    attests: Evidence
    connecting: Connecting
    webhooks: Callable[[str], Webhooks]
    reports: Reports
    findings: Findings
    prevention: Prevention


async def _ports(request: Request) -> Ports:
    return cast("Ports", request.app.state.ports)


async def _asking(request: Request) -> Principal:
    return cast("Principal", request.scope["principal"])  # the guard has put it there


Given = Annotated[Ports, Depends(_ports)]
"""The ports, as a parameter of an operation."""

Asking = Annotated[Principal, Depends(_asking)]
"""Who asks, as a parameter of an operation."""
