"""A vendor with a token endpoint that rotates, and a store in memory: for tests of the manager."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import httpx2

from meterstone.connect.auth.credentials import Credentials, Token
from meterstone.connect.auth.http import DEADLINE_S
from meterstone.connect.auth.spec import AuthSpec
from meterstone.connect.auth.token_requests import TokenRequests
from meterstone.connect.auth.tokens import Held, StaleVersion, TokenManager

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRETS = {"client_id": "hub", "client_secret": "very-secret-value"}


def spec(**changes):
    """The section of a vendor that goes by the standard and rotates."""
    return AuthSpec.model_validate(
        {
            "kind": "authorization_code",
            "authorize_url": "{base_url}/authorize",
            "token_url": "{base_url}/token",
            "pkce": "S256",
            "scopes": ["rows.read"],
            "refresh": {"rotates": True},
            **changes,
        }
    )


def requests(of=None, **settings):
    values = {"base_url": "https://acme.example", **settings}
    return TokenRequests(of or spec(), values, Credentials(SECRETS))


class Clock:
    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now

    def goes(self, seconds):
        self.now += timedelta(seconds=seconds)


class Memory:
    """A `TokenStore` of one process."""

    def __init__(self, token=None):
        self.held = Held(token, 1 if token else 0)
        self.asks = {}
        self.reason = ""
        self._lease = threading.Lock()

    def read(self):
        return Held(self.held.token, self.held.version, self.reason)

    def write(self, token, expected):
        if self.held.version != expected:
            raise StaleVersion
        self.held = Held(token, expected + 1)
        return expected + 1

    def lease(self, ttl_s):
        assert ttl_s > DEADLINE_S  # nobody else may ask while an answer is still awaited
        return self._holding() if self._lease.acquire(blocking=False) else None

    @contextmanager
    def _holding(self):
        try:
            yield
        finally:
            self._lease.release()

    def asked(self, version):
        return self.asks.get(version)

    def ask(self, version, at):
        self.asks[version] = at

    def unask(self, version):
        self.asks.pop(version, None)

    def breaks(self, version, cause):
        if version >= self.held.version:
            self.reason = cause


class Vendor:
    """A token endpoint: a second use of a refresh token revokes all."""

    def __init__(self, lifetime_s=3600):
        self.lifetime_s = lifetime_s
        self.count = 0
        self.good = "refresh-0"
        self.revoked = False
        self.bodies = []
        self.answers = []  # what is answered instead, in turn

    def __call__(self, request):
        self.bodies.append(request.content.decode())
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        given = dict(pair.split("=") for pair in self.bodies[-1].split("&"))
        if self.revoked or given.get("refresh_token", self.good) != self.good:
            self.revoked = True
            return answered(400, {"error": "invalid_grant", "error_description": "used twice"})
        self.count += 1
        self.good = f"refresh-{self.count}"
        body = {
            "access_token": f"access-{self.count}",
            "refresh_token": self.good,
            "expires_in": self.lifetime_s,
        }
        return answered(200, body)


def answered(status, body, **headers):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx2.Response(status, content=content, headers=headers)


def token(lifetime_s=3600, *, refresh="refresh-0", expires=True):
    return Token(
        access="access-0",
        refresh=refresh,
        issued_at=NOW,
        expires_at=NOW + timedelta(seconds=lifetime_s) if expires else None,
    )


def manager(store, vendor, clock, of=None):
    of = of or spec()
    return TokenManager(
        of, requests(of), store, vendor,
        vendor="Acme", place="acme-1", mend="meterstone connect acme", now=clock,
    )  # fmt: skip
