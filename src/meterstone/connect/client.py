"""One call to a vendor: credential, turn, tries, and what is told of it.

A call takes a turn of the connection's budget, asks the breaker of the vendor's host, signs the
request, sends it, reads a bounded answer and judges it. What passes by itself is tried again within
the call as long as that is short; a longer wait (a Retry-After of minutes, an open circuit) is left
to the job, so that no thread sleeps through it. One logical call is one `api_request`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import httpx2

from meterstone.connect.answers import Answer, Judge, left, read_answer
from meterstone.connect.auth.base import (
    AuthError,
    Authorizer,
    CredentialBroken,
    CredentialUnavailable,
)
from meterstone.connect.breaker import Breaker
from meterstone.connect.clock import Clock
from meterstone.connect.egress import EgressRefused
from meterstone.connect.limits import Budget, Held
from meterstone.connect.problems import FAULT_OF_FACTS, MEANING, CircuitOpen, VendorError
from meterstone.connect.reachability import Reachability
from meterstone.connect.requests import Call, make_call
from meterstone.connect.spec import Connector, EndpointGroup, Request
from meterstone.connect.telemetry import Telemetry
from meterstone.ledger import Connection, Priority

LONGEST_WAIT_S = {"interactive": 5.0, "live": 20.0, "backfill": 30.0}
"""The longest single wait within a call; a longer one is left to the job."""

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 8.0
_PRIORITY_OF_FACTS = {"interactive": "high", "live": "normal", "backfill": "low"}
_NEVER_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)


@dataclass(frozen=True, slots=True)
class Shared:
    """What the clients of a home share: the way out, and what is known of network and vendors."""

    http: httpx2.Client
    telemetry: Telemetry
    reachability: Reachability
    clock: Clock
    jitter: Callable[[], float] = random.random


class Client:
    """Calls one vendor over one connection. Thread-safe.

    Args:
        connector: the vendor's file.
        connection: over which connection.
        values: for templates, without what the sign-in told.
        authorizer: puts the credential on requests.
        budgets: of the connection, and of the application where a limit is shared.
        breaker: of the vendor's host.
        shared: what all clients share.
    """

    def __init__(
        self,
        connector: Connector,
        connection: Connection,
        values: Mapping[str, str],
        authorizer: Authorizer,
        budgets: tuple[Budget, ...],
        breaker: Breaker,
        shared: Shared,
    ) -> None:
        self.connector = connector
        self.connection = connection
        self._given = dict(values)
        self._authorizer = authorizer
        self._budgets = budgets
        self.breaker = breaker
        self._shared = shared
        self._judge = Judge(connector)

    @property
    def values(self) -> dict[str, str]:
        """Values of this connection for templates, those that the sign-in told among them."""
        told = self._authorizer.values
        values = {**self._given, **told}
        for name, setting in self.connector.settings.items():
            if setting.from_ and setting.from_ in told:
                values.setdefault(name, told[setting.from_])
        values.setdefault("account", self.connection.account)
        values["connection"] = self.connection.id
        return values

    def call(
        self,
        request: Request,
        values: Mapping[str, str] | None = None,
        *,
        sites: tuple[str, ...] = (),
    ) -> Call:
        """A connector's request, filled with the values of this connection and these.

        Raises:
            InputError: a ``{name}`` without a value.
            CredentialBroken: a person has to sign in again.
        """
        given = {**self.values, **(values or {})}
        base = given.get("base_url") or self.connector.base_url
        return make_call(request, base, self.connector.headers, given, sites)

    def send(
        self,
        call: Call,
        *,
        priority: Priority = "live",
        group: EndpointGroup | None = None,
        data: bool = True,
        repeatable: bool = True,
    ) -> Answer:
        """Send a call and give the good answer.

        Args:
            priority: whose turn.
            group: as facts name the kind of endpoint; None: the connector's.
            data: a web page is an error.
            repeatable: may be sent again when it is not known whether the vendor did it.

        Raises:
            VendorError: it failed, after what tries its kind has; `CircuitOpen` when it was not
                tried at all.
            CredentialBroken: a person has to sign in again.
            CredentialUnavailable: no token could be got just now.
            EgressRefused: the address may not be called.
        """
        one = _Sending(self, call, priority, group or self.connector.endpoint_group)
        return one.run(data=data, repeatable=repeatable)


class _Sending:
    """One logical call with its tries."""

    def __init__(self, client: Client, call: Call, priority: Priority, group: str) -> None:
        self._client = client
        self._call = call
        self._priority = priority
        self._group = group
        self._shared = client._shared
        self._clock = self._shared.clock
        self._tries = 0
        self._waited = 0.0
        self._renewed = False
        self._place = f"{client.connection.id} {call.method} {call.template}"

    def run(self, *, data: bool, repeatable: bool) -> Answer:
        began, at = self._clock.monotonic(), self._clock.now()
        error = None
        try:
            while True:
                self._ask_breaker(error)
                try:
                    answer = self._try(data=data)
                except VendorError as failed:
                    error = failed
                    pause = self._pause_s(failed, repeatable=repeatable)
                    if pause is None:
                        raise
                    self._clock.sleep(pause)
                    self._waited += pause
                else:
                    error = None
                    self._tell(at, began, answer.status, None)
                    return answer
        except CircuitOpen:
            raise
        except VendorError as failed:
            self._tell(at, began, failed.status, failed)
            raise
        except (CredentialBroken, CredentialUnavailable) as failed:
            self._tell(at, began, None, _as_vendor_error(failed, self._place))
            raise

    def _ask_breaker(self, error: VendorError | None) -> None:
        wait = self._client.breaker.admit()
        if not wait:
            return
        if error is not None:
            raise error  # the tries of this very call opened it
        outage = self._client.breaker.outage
        since = f" since {outage.started_at:%H:%M:%S}" if outage else ""
        raise CircuitOpen(
            f"{self._client.connector.name} does not answer{since}",
            kind="server", place=self._place, retry_after_s=wait,
            fault=outage.fault if outage else None,  # type: ignore[arg-type]  # it came from one
            mend="nothing: it is looked for every few seconds",
        )  # fmt: skip

    def _try(self, *, data: bool) -> Answer:
        """One try: signed, sent, read, judged."""
        breaker = self._client.breaker
        try:
            request = self._call.to_http()
            version = self._client._authorizer.apply(request)
        except AuthError:
            breaker.undecided()
            raise
        with _Turns(self._client._budgets, self._priority) as turns:
            self._waited += turns.waited_s
            self._tell_wait(turns.waited_s)
            self._tries += 1
            answer = self._exchange(request)
        kind = self._client._judge.kind(answer, data=data)
        self._note_left(answer)
        if kind is None:
            breaker.succeeded()
            for budget in self._client._budgets:
                budget.went_well()
            return answer
        secrets = _secrets(request)
        error = self._client._judge.error(answer, kind, self._place, secrets)
        self._note(error)
        if kind == "authentication":
            self._renew(version, error)
        raise error

    def _exchange(self, request: httpx2.Request) -> Answer:
        connector = self._client.connector
        deadline = self._clock.monotonic() + connector.timeout_s * 2
        try:
            response = self._shared.http.send(request, stream=True)
            try:
                answer = read_answer(
                    response, connector.most_bytes, deadline, self._clock.monotonic
                )
            finally:
                response.close()
        except httpx2.HTTPError as error:
            raise self._unreached(request, error) from None
        except (EgressRefused, VendorError) as error:
            self._client.breaker.undecided()
            if isinstance(error, VendorError):
                error.place = self._place
            raise
        self._shared.reachability.answered()
        return answer

    def _unreached(self, request: httpx2.Request, error: httpx2.HTTPError) -> VendorError:
        timeout = isinstance(error, httpx2.TimeoutException)
        ours = not timeout and self._shared.reachability.is_ours(request.url.host, error)
        name = self._client.connector.name
        if ours:
            cause = f"{name} cannot be reached: our own network has no way out"
        elif timeout:
            cause = f"{name} did not answer in time"
        else:
            cause = f"{name} cannot be reached ({type(error).__name__})"
        failed = VendorError(
            cause, kind="timeout" if timeout else "connection", place=self._place,
            fault="our network" if ours else None,
        )  # fmt: skip
        failed.never_sent = isinstance(error, _NEVER_SENT)
        self._note(failed)
        return failed

    def _note(self, error: VendorError) -> None:
        """Tell breaker and budgets of an error."""
        if error.means_down:
            self._client.breaker.failed(error.fault, MEANING[error.kind].error_class)
        else:
            self._client.breaker.succeeded()
        if error.kind == "rate_limit":
            for budget in self._client._budgets:
                budget.hold(error.retry_after_s or 1.0)
            self._tell_throttled(error)

    def _renew(self, version: int, error: VendorError) -> None:
        """One renewal a call; what is refused after it is broken."""
        authorizer = self._client._authorizer
        if self._renewed or not authorizer.renew(version):
            raise authorizer.refused(version) from error
        self._renewed = True

    def _pause_s(self, error: VendorError, *, repeatable: bool) -> float | None:
        """How long until the next try; None: there is none."""
        if error.kind == "authentication":
            return 0.0  # it was renewed just now
        if self._tries >= MEANING[error.kind].tries:
            return None
        if not repeatable and not error.never_sent and error.kind != "rate_limit":
            return None
        pause = min(_FIRST_PAUSE_S * 2.0 ** (self._tries - 1), _LONGEST_PAUSE_S)
        pause *= 0.5 + self._shared.jitter()
        if error.retry_after_s is not None:
            pause = max(pause, error.retry_after_s)
        return pause if pause <= LONGEST_WAIT_S[self._priority] else None

    def _note_left(self, answer: Answer) -> None:
        found = left(answer, self._client.connector.throttled)
        if found:
            for budget in self._client._budgets:
                budget.left(*found)

    def _tell(
        self, at: datetime, began: float, status: int | None, error: VendorError | None
    ) -> None:
        took = (self._clock.monotonic() - began - self._waited) * 1000
        fault = FAULT_OF_FACTS[error.fault] if error else "none"
        outcome = "success" if error is None else "error"
        self._shared.telemetry.count(
            "api_request", at, max(took, 0.001),
            {
                "direction": "outbound", "endpoint_group": self._group,
                "endpoint": self._call.template, "method": self._call.method,
                "status_code": status, "fault": fault,
                "outcome": "caller_fault" if fault == "caller" else outcome,
                "error_class": MEANING[error.kind].error_class if error else "none",
                "cause_key": cause_key(self._client.connector.connector, error) if error else None,
                "attempts": max(self._tries, 1), "consumer": "internal", **self._origin,
            },
        )  # fmt: skip

    @property
    def _origin(self) -> dict[str, str | None]:
        return {
            "integration": self._client.connector.connector,
            "franchise_id": self._client.connection.franchise_id,
            "source": "hub",
            "environment": self._client.connection.environment,
        }

    def _tell_wait(self, waited: float) -> None:
        queued = waited > 0.001
        self._throttle("hub", "queued" if queued else "admitted", "admitted", waited * 1000)

    def _tell_throttled(self, error: VendorError) -> None:
        last = self._tries >= MEANING["rate_limit"].tries
        wait = (error.retry_after_s or 0.0) * 1000
        self._throttle("provider", "rejected", "rejected" if last else "admitted", wait)

    def _throttle(self, limiter: str, decision: str, final: str, wait_ms: float) -> None:
        self._shared.telemetry.count(
            "throttle_event", self._clock.now(), wait_ms,
            {
                "limiter": limiter, "decision": decision, "final": final,
                "over_quota": limiter == "provider",
                "priority": _PRIORITY_OF_FACTS[self._priority], **self._origin,
            },
        )  # fmt: skip


class _Turns:
    """A turn of each budget, held together."""

    def __init__(self, budgets: tuple[Budget, ...], priority: Priority) -> None:
        most_s = LONGEST_WAIT_S[priority]
        self._turns = [budget.turn(priority, most_s) for budget in budgets]
        self._entered: list[int] = []
        self.waited_s = 0.0

    def __enter__(self) -> _Turns:
        try:
            for number, turn in enumerate(self._turns):
                try:
                    self.waited_s += turn.__enter__()
                except Held as held:
                    raise VendorError(
                        "the vendor asked to wait", kind="rate_limit", retry_after_s=held.seconds
                    ) from None
                self._entered.append(number)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for number in reversed(self._entered):
            self._turns[number].__exit__(None, None, None)
        self._entered = []


def cause_key(connector: str, error: VendorError) -> str:
    """The fingerprint that joins failed calls and their incident."""
    return f"{connector}:{MEANING[error.kind].error_class}:{error.fault.replace(' ', '_')}"


def _as_vendor_error(error: AuthError, place: str) -> VendorError:
    broken = isinstance(error, CredentialBroken)
    return VendorError(error.cause, kind="authentication", place=place,
                       fault="customer" if broken else "vendor")  # fmt: skip


def _secrets(request: httpx2.Request) -> list[str]:
    """What of a request proves who we are: words of the headers that an authorizer sets."""
    usual = {"accept", "content-type", "user-agent", "host", "connection", "accept-encoding",
             "content-length"}  # fmt: skip
    words = (word for name, value in request.headers.items() if name.lower() not in usual
             for word in (value, *value.split()))  # fmt: skip
    return [word for word in words if word.lower() not in ("bearer", "basic")]
