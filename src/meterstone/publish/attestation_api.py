"""``/api/v1/attestations``: forms for what no machine knows, statements, and the review queue."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from meterstone.errors import InputError

if TYPE_CHECKING:
    from typing import Protocol

    class Attests(Protocol):
        """An opened home, as far as attestations need it."""

        def attestation_forms(self) -> Mapping[str, Sequence[Any]]:
            """Fields by fact."""

        def attest(
            self,
            fact: str,
            columns: Mapping[str, Any],
            *,
            person: str,
            role: str,
            evidence: str | tuple[bytes, str, str],
            expires_at: datetime,
        ) -> Mapping[str, Any]:
            """Put a statement on record."""

        def attestations_due(self, within: timedelta = ...) -> Sequence[Any]:
            """The review queue."""


_BODY_LIMIT = 96 * 2**20


@dataclass
class _File:
    name: str
    content: str
    """The bytes in Base64."""
    media_type: str = ""


@dataclass
class _Sent:
    """The form as it is sent: either a link or a file is the evidence."""

    columns: dict[str, Any]
    person: str
    role: str
    expires_at: datetime
    evidence_uri: str = ""
    evidence_file: _File | None = field(default=None)


def attestation_routes(home: Attests) -> list[BaseRoute]:
    """Routes: ``GET …/forms``, ``GET …/due?days=60``, ``POST …/{fact}``."""
    api = _Api(home)
    return [
        Route("/api/v1/attestations/forms", api.forms),
        Route("/api/v1/attestations/due", api.due),
        Route("/api/v1/attestations/{fact}", api.state, methods=["POST"]),
    ]


class _Api:
    def __init__(self, home: Attests) -> None:
        self._home = home

    def forms(self, _request: Request) -> Response:
        """Every fact that can be attested, with the fields of its form."""
        found = self._home.attestation_forms()
        return JSONResponse(
            {fact: [asdict(entry) for entry in fields] for fact, fields in found.items()}
        )

    def due(self, request: Request) -> Response:
        """Statements that expire soon or have expired."""
        days = request.query_params.get("days", "60")
        if not days.isdigit() or len(days) > 4:
            raise InputError(f"{days[:20]!r} is no number of days", place="?days=", mend="?days=60")
        return JSONResponse(
            [d.as_dict() for d in self._home.attestations_due(timedelta(int(days)))]
        )

    async def state(self, request: Request) -> Response:
        """Put a statement on record; 201 when it is on disk."""
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > _BODY_LIMIT:
                raise InputError(
                    "more than 96 MiB", place="body", mend="send a smaller file, or a link"
                )
        return await run_in_threadpool(self._state, request.path_params["fact"], body)

    def _state(self, fact: str, body: bytes) -> Response:
        try:
            sent = msgspec.json.decode(body, type=_Sent)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InputError(
                f"not the form: {error}", place="body", mend="GET /api/v1/attestations/forms"
            ) from error
        stated = self._home.attest(
            fact,
            sent.columns,
            person=sent.person,
            role=sent.role,
            evidence=_evidence(sent),
            expires_at=_utc(sent.expires_at),
        )
        return JSONResponse(stated, 201)


def _evidence(sent: _Sent) -> str | tuple[bytes, str, str]:
    if sent.evidence_file is None:
        return sent.evidence_uri
    try:
        content = base64.b64decode(sent.evidence_file.content, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError(
            "the file is not Base64", place="evidence_file.content", mend="encode its bytes"
        ) from error
    return content, sent.evidence_file.name, sent.evidence_file.media_type


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
