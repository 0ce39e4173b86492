"""The client: one method an operation."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import quote

import httpx2

from meterstone.client import model
from meterstone.client.errors import ApiError
from meterstone.client.wire import Wire
from meterstone.detect.state import IntegrationNow, Now
from meterstone.scorecard.model import Gate, Metric, Scorecard

_TIMEOUT_S = 60.0


class Client:
    """Reads and does what the pages show and do. For one thread.

    Args:
        url: of the server, such as ``https://meterstone.example``.
        token: made on the page *Account*, or by ``meterstone people token``.
        http: sends the requests; None: a client of its own.
        sleep: waits, seconds.

    All methods raise `ApiError` with what is wrong and what to do next.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        http: httpx2.Client | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._http = http or httpx2.Client(base_url=url, timeout=_TIMEOUT_S)
        self._http.headers["Authorization"] = f"Bearer {token}"
        self._sleep = sleep
        self._wire = Wire(self._http, sleep)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self._http.base_url!s})"

    def close(self) -> None:
        """Close the connections to the server."""
        self._http.close()

    def me(self) -> model.Me:
        """Who the token is of, and what it may."""
        return self._wire.get("/me", model.Me)

    # scorecards, metrics, gates

    def scorecards(self, kind: str | None = None) -> Iterator[model.ScorecardOf]:
        """The scopes that have scorecards."""
        return self._wire.pages("/scorecards", model.ScorecardOf, kind=kind)

    def scorecard(
        self,
        kind: Literal["network", "franchise", "integration"] = "network",
        key: str = "*",
        *,
        day: date | None = None,
        known_at: datetime | None = None,
    ) -> Scorecard:
        """A scorecard: of the newest day, or of one, as known now or then."""
        path = f"/scorecards/{kind}/{key}"
        if kind == "franchise":
            path = f"/franchises/{key}/scorecard"
        return self._wire.get(path, Scorecard, day=day, known_at=known_at)

    def signed_scorecard(self, kind: str = "network", key: str = "*") -> bytes:
        """The bytes that were signed, for ``meterstone verify``."""
        return self._wire.file(f"/scorecards/{kind}/{key}")

    def metrics(
        self,
        scope: str = "network",
        *,
        verdict: str | None = None,
        system: str | None = None,
        day: date | None = None,
        known_at: datetime | None = None,
    ) -> Iterator[Metric]:
        """The metrics of a scope, such as ``integration:square``."""
        return self._wire.pages(
            "/metrics", Metric, scope=scope, verdict=verdict, system=system, day=day,
            known_at=known_at,
        )  # fmt: skip

    def metric(
        self, metric: str, scope: str = "network", *, day: date | None = None,
        known_at: datetime | None = None,
    ) -> model.MetricAt:  # fmt: skip
        """A metric with its definition."""
        return self._wire.get(
            f"/metrics/{metric}", model.MetricAt, scope=scope, day=day, known_at=known_at
        )

    def history(
        self, metric: str, scope: str = "network", *, days: int = 90, until: date | None = None,
        known_at: datetime | None = None,
    ) -> Sequence[model.DayValue]:  # fmt: skip
        """A metric by day, oldest first."""
        return self._wire.get(
            f"/metrics/{metric}/history", list[model.DayValue], scope=scope, days=days,
            until=until, known_at=known_at,
        )  # fmt: skip

    def gates(self, *, day: date | None = None, known_at: datetime | None = None) -> Sequence[Gate]:
        """All gates, with their runs of days."""
        return self._wire.get("/gates", list[Gate], day=day, known_at=known_at)

    def gate(self, gate: str) -> Gate:
        """One gate."""
        return self._wire.get(f"/gates/{gate}", Gate)

    def framework(self, system: str, method: str = "") -> Mapping[str, Any]:
        """A system of the framework, in its own shape, with measured values at its leaves."""
        path = f"/framework/{system}" + (f"/{method}" if method else "")
        return self._wire.get(path, dict[str, Any])

    # findings

    def findings(
        self,
        scope: str | None = None,
        *,
        study: str | None = None,
        withheld: bool | None = None,
        day: date | None = None,
        known_at: datetime | None = None,
    ) -> Iterator[model.FindingRow]:
        """What studies found, by study, scope and key; of anybody, or of one scope alone."""
        path, query = _of_scope("/findings", scope)
        return self._wire.pages(
            path, model.FindingRow, **query, study=study, withheld=withheld, day=day,
            known_at=known_at,
        )  # fmt: skip

    def finding(
        self, study: str, key: str, scope: str = "network", *, day: date | None = None,
        known_at: datetime | None = None,
    ) -> model.KeptFinding:  # fmt: skip
        """One finding: figures, pictures, tables, checks and advice."""
        path, query = _of_scope(f"/findings/{quote(study)}/{quote(key)}", scope)
        return self._wire.get(path, model.KeptFinding, **query, day=day, known_at=known_at)

    def prevention_actions(
        self,
        study: Literal["risk", "capacity"] | None = None,
        *,
        state: model.ActionState | None = None,
    ) -> Iterator[model.PreventiveAction]:
        """Preventive actions that studies recommended, newest first."""
        return self._wire.pages(
            "/prevention-actions", model.PreventiveAction, study=study, state=state
        )

    def say_action(
        self, action: str, state: model.ActionState, reason: str = ""
    ) -> model.PreventiveAction:
        """Say what was done about a preventive action; ``recommended`` takes back what was said.

        Args:
            reason: why it is declined.
        """
        return self._wire.send(
            "POST", f"/prevention-actions/{quote(action)}/state", model.PreventiveAction,
            {"state": state, "reason": reason},
        )  # fmt: skip

    # now

    def now(self) -> Now:
        """Everything that is known of this moment."""
        return self._wire.get("/live", Now)

    def integrations(self) -> Sequence[IntegrationNow]:
        """How each integration is."""
        return self._wire.get("/integrations", list[IntegrationNow])

    def incidents(
        self,
        *,
        open: bool | None = None,
        integration: str | None = None,
        franchise: str | None = None,
    ) -> Iterator[model.Incident]:
        """Incidents, newest first."""
        return self._wire.pages(
            "/incidents", model.Incident, open=open, integration=integration, franchise=franchise
        )

    def alerts(
        self, state: Sequence[str] = (), *, integration: str | None = None
    ) -> Iterator[model.Alert]:
        """Alerts, newest first."""
        return self._wire.pages(
            "/alerts", model.Alert, state=list(state) or None, integration=integration
        )

    def acknowledge(self, alert: str, note: str = "") -> model.Alert:
        """Take an alert on."""
        return self._wire.send("POST", f"/alerts/{alert}/acknowledge", model.Alert, {"note": note})

    def discrepancies(self, connection: str | None = None) -> Iterator[model.Discrepancy]:
        """The work list of reconciliation, the largest amount first."""
        return self._wire.pages("/discrepancies", model.Discrepancy, connection=connection)

    def accept(self, discrepancy: int, reason: str) -> model.Discrepancy:
        """Take a discrepancy off the work list."""
        path = f"/discrepancies/{discrepancy}/accept"
        return self._wire.send("POST", path, model.Discrepancy, {"reason": reason})

    def assign(self, discrepancy: int, person: str) -> model.Discrepancy:
        """Say who works on a discrepancy, by the person's id; empty: nobody."""
        path = f"/discrepancies/{discrepancy}/assign"
        return self._wire.send("POST", path, model.Discrepancy, {"person": person})

    # connections

    def connections(self) -> Iterator[model.Connection]:
        """All connections, oldest first."""
        return self._wire.pages("/connections", model.Connection)

    def sync(self, connection: str) -> Sequence[str]:
        """Read all streams of a connection now; returns them."""
        told = self._wire.send("POST", f"/connections/{connection}/sync", dict[str, Any])
        return [str(stream) for stream in told["streams"]]

    def reconcile(self, connection: str, *, full: bool = False) -> Sequence[str]:
        """Compare a connection with its source now; returns the entities."""
        path = f"/connections/{connection}/reconcile"
        told = self._wire.send("POST", path, dict[str, Any], full=full)
        return [str(entity) for entity in told["entities"]]

    # evidence

    def attest(
        self,
        fact: str,
        columns: Mapping[str, Any],
        *,
        person: str,
        role: str,
        expires_at: datetime,
        evidence_uri: str,
    ) -> model.Stated:
        """Put a statement on record, with a link as its evidence."""
        body = {
            "columns": columns, "person": person, "role": role,
            "expires_at": expires_at.isoformat(), "evidence_uri": evidence_uri,
        }  # fmt: skip
        return self._wire.send("POST", f"/attestations/{fact}", model.Stated, body)

    def approve_maintenance(
        self, start: datetime, end: datetime, reason: str, scope: str = "*"
    ) -> model.Window:
        """Approve a maintenance window before it starts."""
        body = {
            "scope": scope, "start": start.isoformat(), "end": end.isoformat(), "reason": reason,
        }  # fmt: skip
        return self._wire.send("POST", "/maintenance", model.Window, body)

    # reports

    def reports(self) -> Iterator[model.Report]:
        """Reports, newest first."""
        return self._wire.pages("/reports", model.Report)

    def make_report(
        self, kind: str, scope: str = "network", day: date | None = None, wait_s: float = 120
    ) -> model.Report:
        """Make a report and wait until it is made.

        Raises:
            ApiError: it could not be made, or not in time.
        """
        body = {"kind": kind, "scope": scope} | ({"day": day.isoformat()} if day else {})
        run = self._wire.send("POST", "/reports", model.Report, body)
        waited = 0.0
        while run.state not in ("made", "failed") and waited < wait_s:
            self._sleep(0.5)
            waited += 0.5
            run = self._wire.get(f"/reports/{run.id}", model.Report)
        if run.state == "made":
            return run
        raise ApiError(
            200, run.error or f"not made within {wait_s:g} s: {run.step}",
            place=f"report {run.id}", mend=run.mend or "wait longer, or see that the worker runs",
        )  # fmt: skip

    def report_file(self, report: str, name: str) -> bytes:
        """A file of a report."""
        return self._wire.file(f"/reports/{report}/files/{name}")


def _of_scope(path: str, scope: str | None) -> tuple[str, Mapping[str, Any]]:
    """Where something of a scope is; of a franchise below it, where its owner may ask too."""
    kind, _, key = (scope or "").partition(":")
    if kind == "franchise":
        return f"/franchises/{quote(key)}{path}", {}
    return path, {"scope": scope}
