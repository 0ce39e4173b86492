"""Signs in at stand-ins the way a customer does at the vendor: by the vendor's page of consent
where it has one, else with the credential that the vendor gave."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import httpx2

from meterstone.connect.auth.access import Access
from meterstone.connect.auth.flow import Callback
from meterstone.connect.auth.web import callback_url
from meterstone.connect.auth.wishes import Wish
from meterstone.connect.spec import Connector
from meterstone.errors import InputError
from meterstone.ledger import Connection

PUBLIC_URL = "http://127.0.0.1:4318"
_RATES = "CAD=0.74"
"""Of the simulated network: what a Canadian dollar is worth there."""

Given = Mapping[str, Any]
"""What a stand-in prints: `meterstone.sandbox.kit.Vendor.credentials`."""


def connect(access: Access, of: Connector, given: Given) -> list[Connection]:
    """Connect all accounts of a stand-in.

    Raises:
        SignInRefused, CredentialUnavailable: the stand-in does not let us in.
    """
    by_browser = of.auth.kind == "authorization_code"
    access.register(
        of.connector, _credentials(of, given) if by_browser else {}, settings=given["settings"],
        actor="demo",
    )  # fmt: skip
    return [_connected(access, of, given, account) for account in _accounts(given)]


def connect_again(access: Access, of: Connector, given: Given, connection: Connection) -> None:
    """Sign a connection in again, after its credential was revoked.

    Raises:
        SignInRefused, CredentialUnavailable: the stand-in does not let us in.
    """
    account = next(
        each for each in _accounts(given)
        if str(each["account"]) == connection.account or "accounts" not in given
    )  # fmt: skip
    _connected(access, of, given, account, connection.id)


def _accounts(given: Given) -> Iterator[Given]:
    yield from given.get("accounts") or [given]


def _connected(
    access: Access, of: Connector, given: Given, account: Given, again: str = ""
) -> Connection:
    wish = Wish(
        connection=again,
        account=str(account["account"]), franchise_id=account.get("franchise_id") or "",
        settings=_settings(of, given),
    )  # fmt: skip
    if of.auth.kind != "authorization_code":
        return access.connect(of.connector, _credentials(of, given), wish, actor="demo")
    redirect = callback_url(PUBLIC_URL, of.connector)
    started = access.start(of.connector, redirect, wish)
    answer = httpx2.post(
        started.url, data={"decision": "allow", "account": str(account["account"])}, timeout=30
    )
    if not answer.has_redirect_location:
        raise InputError(
            f"{of.name} does not let us in: {answer.text[:200]}", place=str(given["base_url"])
        )
    back = httpx2.URL(answer.headers["location"])
    parameters = dict(back.params)
    return access.callback(Callback(of.connector, redirect, started.browser, parameters))


def _credentials(of: Connector, given: Given) -> dict[str, str]:
    return {name: str(given[name]) for name in of.auth.fields if given.get(name)}


def _settings(of: Connector, given: Given) -> dict[str, str]:
    """Settings of a connection that a stand-in prints, and the rate of its Canadian shops."""
    known = {**given, "usd_rates": _RATES}
    return {
        name: str(known[name])
        for name, setting in of.settings.items()
        if name in known and not setting.from_ and name not in given["settings"]
    }
