"""Reads the JSON feed that IFPG's own WordPress plugin (4.2) reads. It is not documented.

The path of each call holds the broker's id and the SHA-1 of the broker's secret, which is as good
as the secret itself: neither URLs nor bodies of the feed go into messages.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha1
from typing import Any
from urllib.parse import quote

import httpx2

from meterstone.errors import InputError, MeterstoneError

BASE = "https://www.franchisebrokerwebsites.com"

Get = Callable[[str], httpx2.Response]
"""Fetches a URL; the caller's client sees to address checks and time limits."""


class FeedError(MeterstoneError):
    """The feed did not answer as the plugin expects it to."""


@dataclass(frozen=True, slots=True)
class Company:
    """A company of the feed; ``url_name`` is what `Feed.company` takes."""

    id: str
    name: str
    url_name: str
    description: str


@dataclass(frozen=True)
class Feed:
    """The feed of one broker.

    Attributes:
        get: how a URL is fetched.
        broker_id, broker_secret: as given by IFPG.
    """

    get: Get
    broker_id: str
    broker_secret: str = field(repr=False)
    base_url: str = BASE

    def industries(self) -> dict[str, str]:
        """Industries: their title by their name in URLs.

        Raises:
            FeedError: the feed refuses, or answers something else.
        """
        listed = self._list(self._url("industry"), "industries")
        return {
            str(item["industry_url_name"]): str(item["industry_name"])
            for item in listed
            if "industry_url_name" in item and "industry_name" in item
        }

    def companies(self, industry: str) -> list[Company]:
        """Companies of an industry; also ``featured`` and ``golden_companies``.

        Raises:
            FeedError: the feed refuses, or answers something else.
        """
        listed = self._list(self._url("company", industry), "companies")
        return [
            Company(
                str(item["company_id"]),
                str(item.get("company_name", "")),
                str(item.get("company_url_name", "")),
                str(item.get("description", "")),
            )
            for item in listed
            if "company_id" in item
        ]

    def company(self, url_name: str) -> dict[str, Any]:
        """What the feed says of one company.

        Raises:
            FeedError: the feed refuses, or answers something else.
        """
        told = self._json(self._url("company", "company", url_name), "company")
        if not isinstance(told, dict):
            raise FeedError("IFPG's feed has no object where a company is", place="ifpg feed")
        return told

    def _url(self, kind: str, *rest: str) -> str:
        if not self.broker_id or not self.broker_secret:
            raise InputError("the feed needs a broker id and its secret", place="ifpg feed")
        digest = sha1(self.broker_secret.encode(), usedforsecurity=False).hexdigest()
        parts = [kind, "wp_feed", self.broker_id, digest, *rest]
        return "/".join([self.base_url, *(quote(part, safe="") for part in parts)])

    def _list(self, url: str, what: str) -> list[dict[str, Any]]:
        told = self._json(url, what)
        if not isinstance(told, list):
            raise FeedError(f"IFPG's feed has no list where {what} are", place="ifpg feed")
        return [item for item in told if isinstance(item, dict)]

    def _json(self, url: str, what: str) -> Any:
        answer = self.get(url)
        try:
            told = answer.json()
        except ValueError:
            raise FeedError(
                f"IFPG's feed of {what} answers {answer.status_code} and no JSON",
                place="ifpg feed",
                mend="the feed is not documented and may have ended; leads do not depend on it",
            ) from None
        if isinstance(told, dict) and "error" in told:
            raise FeedError(
                f"IFPG's feed refuses {what}", place="ifpg feed", mend="check broker id and secret"
            )
        return told
