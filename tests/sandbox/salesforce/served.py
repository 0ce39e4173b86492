"""The stand-in with simple-salesforce as its client.

That client knows the vendor's own hosts only, so sign-in is by plain requests.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import requests
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce

from meterstone.sandbox.kit import Books, Clock, Vendor, running
from meterstone.sandbox.salesforce import vendor as make

REDIRECT = "http://localhost:9/callback"
VERIFIER = "v" * 64
CHALLENGE = (
    base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
)


class Plain(HTTPAdapter):
    """The client insists on https; the stand-in speaks http."""

    def send(self, request: Any, *args: Any, **kwargs: Any) -> requests.Response:
        request.url = request.url.replace("https://", "http://", 1)
        return super().send(request, *args, **kwargs)


class Time:
    """Real time, which a test may move."""

    def __init__(self) -> None:
        self.passed = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.passed


class Served:
    """A stand-in with the client of it."""

    def __init__(self, vendor: Vendor, url: str, time: Time) -> None:
        self.vendor, self.url, self.time = vendor, url, time
        self.session = requests.Session()
        self.session.mount("https://", Plain())
        self.sf = self.client(vendor.listed[0].token)
        self.http = httpx2.Client(
            base_url=f"{url}/services/data/v67.0", timeout=60,
            headers={"authorization": f"Bearer {vendor.listed[0].token}"},
        )  # fmt: skip

    def client(self, token: str) -> Salesforce:
        return Salesforce(session_id=token, instance_url=self.url, session=self.session)

    def close(self) -> None:
        self.http.close()
        self.session.close()

    def token(self, **fields: str) -> httpx2.Response:
        client = self.vendor.client
        assert client is not None
        given = {"client_id": client.id, "client_secret": client.secret, **fields}
        return httpx2.post(f"{self.url}/services/oauth2/token", data=given)

    def code(self, **more: str) -> str:
        client = self.vendor.client
        assert client is not None
        asked = {
            "response_type": "code", "client_id": client.id, "redirect_uri": REDIRECT,
            "state": "s1", **more,
        }  # fmt: skip
        back = httpx2.post(
            f"{self.url}/services/oauth2/authorize", params=asked, data={"decision": "allow"}
        )
        query = parse_qs(urlsplit(back.headers["location"]).query)
        assert query["state"] == ["s1"]
        return query["code"][0]

    def signed_in(self) -> dict[str, str]:
        answer = self.token(
            grant_type="authorization_code", code=self.code(code_challenge=CHALLENGE),
            redirect_uri=REDIRECT, code_verifier=VERIFIER,
        )  # fmt: skip
        told: dict[str, str] = answer.raise_for_status().json()
        return told

    def app(self, **settings: Any) -> None:
        httpx2.post(f"{self.url}/_sandbox/app", json=settings).raise_for_status()


def serve(books: Books) -> Iterator[Served]:
    time = Time()
    vendor = make(books, 1, Clock(time.now))
    with running(vendor) as [url]:
        made = Served(vendor, url, time)
        yield made
        made.close()
