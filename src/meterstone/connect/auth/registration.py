"""The application that is registered at a vendor: client id, secret, and where the vendor is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from meterstone.connect.auth.credentials import Credentials
from meterstone.connect.auth.spec import AuthSpec
from meterstone.connect.fill import fill_url
from meterstone.connect.spec import Connector
from meterstone.errors import InputError, suggest
from meterstone.ledger import Change

_OWNER = "app:"


@dataclass(frozen=True, slots=True)
class Registration:
    """One application of ours at one vendor, in one environment.

    ``settings`` says where the vendor is (``base_url``, hosts): only whoever runs Meterstone sets
    them. A person who connects a shop must not send our client secret to a host of his own.
    """

    credentials: Credentials = field(default_factory=lambda: Credentials({}))
    settings: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, seen: Change, connector: str, environment: str) -> Registration:
        """From the ledger; an empty one where none is registered."""
        secret = seen.secrets.get(_OWNER + connector, environment)
        if secret is None:
            return cls()
        held = json.loads(secret.value)
        return cls(Credentials(held["credentials"]), held["settings"])

    def save(self, change: Change, connector: str, environment: str) -> None:
        """Into the ledger, sealed."""
        value = {"credentials": dict(self.credentials), "settings": dict(self.settings)}
        change.secrets.put(_OWNER + connector, environment, json.dumps(value).encode())


def values_of(
    connector: Connector, registration: Registration, settings: Mapping[str, Any]
) -> dict[str, str]:
    """Values for the templates of a connector, before any sign-in.

    Args:
        connector: gives the defaults.
        registration: where the vendor is; beats everything.
        settings: of the connection; those that are no texts are no values.
    """
    defaults = {
        name: entry.default
        for name, entry in connector.settings.items()
        if "default" in entry.model_fields_set
    }
    texts = {name: value for name, value in settings.items() if isinstance(value, str)}
    values = {**defaults, **texts, **registration.settings}
    if "base_url" not in registration.settings and connector.base_url:
        try:
            values["base_url"] = fill_url(connector.base_url, values)
        except InputError:
            values.pop("base_url", None)  # it is known after the sign-in, such as {instance_url}
    return values


def checked_settings(connector: Connector, given: Mapping[str, str]) -> dict[str, str]:
    """Settings that a person gave for a connection.

    Raises:
        InputError: an unknown name, or one that says at which host the vendor is.
    """
    for name in given:
        if name not in connector.settings:
            raise InputError(
                f"{connector.name} has no setting {name!r}",
                place="settings",
                mend=suggest(name, list(connector.settings)) if connector.settings else "give none",
            )
        if name in hosts(connector):
            raise InputError(
                f"{name!r} says where {connector.name} is; it belongs to the registration",
                place="settings",
                mend=f"meterstone connect {connector.connector} --set {name}=… by the operator",
            )
    return dict(given)


def checked_credentials(spec: AuthSpec, given: Mapping[str, str], vendor: str) -> Credentials:
    """What a person gave, complete.

    Raises:
        InputError: something is missing or unknown. Names fields, never values.
    """
    fields = spec.fields
    for name in given:
        if name not in fields:
            mend = suggest(name, list(fields)) if fields else "give none"
            raise InputError(f"{vendor} takes no {name!r}", place="credentials", mend=mend)
    missing = [name for name, entry in fields.items() if entry.required and not given.get(name)]
    if missing:
        raise InputError(
            f"{vendor} needs {' and '.join(missing)}",
            place="credentials",
            mend=" ".join(f"--credential {name}=…" for name in missing),
        )
    return Credentials({name: value for name, value in given.items() if value})


def hosts(connector: Connector) -> frozenset[str]:
    """Settings that only a registration may set: a URL begins by them, so they choose the host."""
    spec = connector.auth
    calls = [call for call in (spec.revoke, spec.sign_in, spec.sign_out) if call]
    urls = [
        connector.base_url,
        spec.authorize_url,
        spec.token_url,
        spec.exchange.url,
        spec.refresh.url,
        *(call.url for call in calls),
    ]
    heads = {url[1 : url.index("}")] for url in urls if url.startswith("{") and "}" in url}
    return frozenset(heads | {"base_url"})
