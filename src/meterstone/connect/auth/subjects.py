"""What there is to look at of a connection, read from the ledger in one transaction."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime

from meterstone.connect.auth.controls import Subject
from meterstone.connect.auth.credentials import Credentials, Token
from meterstone.connect.auth.ledger_store import CREDENTIALS, SIGN_IN, TOKEN
from meterstone.connect.auth.registration import Registration, values_of
from meterstone.connect.fill import fill_url
from meterstone.connect.spec import Connector
from meterstone.errors import InputError
from meterstone.ledger import Change, Connection


def subject_of(
    seen: Change,
    of: Connector,
    connection: Connection,
    *,
    tls: Callable[[str], str],
    now: datetime,
) -> Subject:
    """The subject of the checks of one connection."""
    registration = Registration.load(seen, connection.connector, connection.environment)
    given = seen.secrets.get(connection.id, CREDENTIALS)
    token = seen.secrets.get(connection.id, TOKEN)
    sign_in = seen.secrets.get(connection.id, SIGN_IN)
    noted = json.loads(sign_in.value) if sign_in else {}
    held = Token.opened(token.value) if token else None
    told = {
        **values_of(of, registration, connection.settings),
        **(held.values if held else {}),
    }
    return Subject(
        connector=of,
        at_rest={
            name: seen.secrets.at_rest(connection.id, name) or b""
            for name in (TOKEN, CREDENTIALS)
            if name in seen.secrets.names(connection.id)
        },
        credentials=Credentials.opened(given.value) if given else registration.credentials,
        sign_in=noted,
        token=held,
        renewed=noted.get("rotated"),
        tls=tls,
        endpoint=_endpoint(of, told),
        now=now,
    )


def _endpoint(of: Connector, told: Mapping[str, str]) -> str:
    """Whose TLS is looked at: the token endpoint, else the API; empty where neither is known."""
    try:
        return fill_url(of.auth.token_url, told) or told.get("base_url", "")
    except InputError:
        return ""
