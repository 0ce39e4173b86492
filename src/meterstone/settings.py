"""Settings of the command line: one table of name, default and help. Environment beats default,
an option beats both."""

from __future__ import annotations

import os
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

from meterstone.errors import InputError, suggest


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its environment variable, its default, and one line of help."""

    variable: str
    default: str
    help: str


SETTINGS = {
    "home": Setting("METERSTONE_HOME", "./.meterstone", "folder with log, warehouse and keys"),
    "ledger_url": Setting(
        "METERSTONE_LEDGER_URL", "", "database of the ledger (default: ledger.sqlite of the home)"
    ),
    "host": Setting("METERSTONE_HOST", "127.0.0.1", "address to serve at"),
    "port": Setting("METERSTONE_PORT", "4318", "port to serve at (4318: where OTLP is sent)"),
    "public_url": Setting(
        "METERSTONE_PUBLIC_URL", "", "how vendors and people call us (default: where it is served)"
    ),
    "allow_loopback": Setting(
        "METERSTONE_ALLOW_LOOPBACK", "0", "1: systems on this machine may be called, as the sandbox"
    ),
    "allow_networks": Setting(
        "METERSTONE_ALLOW_NETWORKS", "", "own networks where systems may be called: 10.1.0.0/16, …"
    ),
    "oidc_issuer": Setting(
        "METERSTONE_OIDC_ISSUER", "", "identity provider at which people sign in: its issuer URL"
    ),
    "oidc_client_id": Setting("METERSTONE_OIDC_CLIENT_ID", "", "our client id there"),
    "oidc_client_secret": Setting("METERSTONE_OIDC_CLIENT_SECRET", "", "our secret there"),
    "oidc_client_secret_file": Setting(
        "METERSTONE_OIDC_CLIENT_SECRET_FILE", "", "a file that holds the secret, in its place"
    ),
    "oidc_name": Setting(
        "METERSTONE_OIDC_NAME", "the identity provider", "what people call the provider"
    ),
}


_LAST_PORT = 65535


def setting(name: str, given: object = None) -> str:
    """The value of a setting: what was given, else the environment, else the default."""
    if given is not None:
        return str(given)
    entry = SETTINGS[name]
    return os.environ.get(entry.variable, entry.default)


def port_number(given: int | None) -> int:
    """The port to serve at.

    Raises:
        InputError: the environment gives no port.
    """
    text = setting("port", given)
    if not text.isdecimal() or int(text) > _LAST_PORT:
        raise InputError(
            f"{text!r} is no port", place=SETTINGS["port"].variable, mend="give 0 to 65535"
        )
    return int(text)


def home_path(given: Path | None) -> Path:
    """The home to work in."""
    return Path(setting("home", given)).expanduser()


def public_url(host: str, port: int) -> str:
    """How the outside calls us: of this the redirect URIs of sign-ins are made.

    Raises:
        InputError: the environment gives no URL.
    """
    given = setting("public_url").rstrip("/")
    if not given:
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"
    if not given.startswith(("https://", "http://127.0.0.1", "http://localhost")):
        raise InputError(
            f"{given!r} is no public address",
            place=SETTINGS["public_url"].variable,
            mend="give https://…, as people and vendors reach it",
        )
    return given


def secret(name: str) -> str:
    """A secret: of a file, where ``…_FILE`` names one, else of the environment; empty: there is
    none.

    Raises:
        InputError: the file cannot be read.
    """
    file = setting(f"{name}_file")
    if not file:
        return setting(name)
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            "cannot read the secret",
            place=SETTINGS[f"{name}_file"].variable,
            mend="name a text file that holds it and nothing else",
        ) from error


def loopback_allowed() -> bool:
    """May calls to the outside reach this machine? For the sandbox and for tests."""
    return setting("allow_loopback") == "1"


def allowed_networks() -> tuple[IPv4Network | IPv6Network, ...]:
    """Networks of the own house where vendors' systems stand, such as a Tableau Server.

    Raises:
        InputError: one is no network.
    """
    listed = [text.strip() for text in setting("allow_networks").split(",") if text.strip()]
    try:
        return tuple(ip_network(text) for text in listed)
    except ValueError as error:
        raise InputError(
            str(error),
            place=SETTINGS["allow_networks"].variable,
            mend="write networks such as 10.1.0.0/16, with a comma between them",
        ) from error


def refuse_unknown_variables() -> None:
    """Stop at a misspelt METERSTONE_… variable instead of ignoring it.

    Raises:
        InputError: names it and the one that was meant.
    """
    known = {entry.variable for entry in SETTINGS.values()} | {
        "METERSTONE_SHARED",
        "METERSTONE_NO_SKIP",
    }
    for name in os.environ:
        if name.startswith("METERSTONE_") and name not in known:
            raise InputError(
                f"unknown setting {name}", place="environment", mend=suggest(name, sorted(known))
            )
