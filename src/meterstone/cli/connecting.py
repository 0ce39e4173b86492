"""Commands of connections: connect, disconnect, oauth-check."""

from __future__ import annotations

import json
import sys
import webbrowser
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from meterstone.app import Home
from meterstone.cli.shared import HomeOption, JsonOption, emit, log, pairs, read_file
from meterstone.connect.auth.authorizers import describe
from meterstone.connect.auth.loopback import PORT, callback_server
from meterstone.connect.auth.registration import hosts
from meterstone.connect.auth.wishes import Wish
from meterstone.connect.spec import Connector
from meterstone.errors import InputError
from meterstone.ledger import Connection
from meterstone.settings import home_path

app = typer.Typer()

_RESULTS = {"passed": "passed", "failed": "FAILED", "not_applicable": "does not apply"}


@app.command()
def connect(
    vendor: Annotated[str, typer.Argument(help="A connector, such as square.")],
    credential: Annotated[
        list[str] | None,
        typer.Option(help="NAME=VALUE, or NAME=@FILE so that no secret is in the command."),
    ] = None,
    credentials: Annotated[
        str,
        typer.Option(
            help="JSON file (- for standard input) with credentials by name, also `account` and "
            "`settings`: a vendor's object of `meterstone sandbox up --json` is one."
        ),
    ] = "",
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=VALUE of a setting, also base_url.")
    ] = None,
    connection: Annotated[str, typer.Option(help="Sign this connection in again.")] = "",
    name: Annotated[str, typer.Option(help="What people call it.")] = "",
    account: Annotated[str, typer.Option(help="Where the vendor does not say it.")] = "",
    franchise: Annotated[str, typer.Option(help="All of it belongs to this franchise.")] = "",
    environment: Annotated[str, typer.Option(help="production, staging or test.")] = "production",
    register_only: Annotated[
        bool, typer.Option("--register-only", help="Keep the application, sign nobody in.")
    ] = False,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Only print the address to open.")
    ] = False,
    port: Annotated[int, typer.Option(help="Where the answer of a sign-in comes.")] = PORT,
    within: Annotated[int, typer.Option(help="Seconds to wait for a sign-in.")] = 600,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Connect a system, or sign a connection in again.

    Example: meterstone connect square --credential client_id=sq0idp-1 --credential
    client_secret=@secret.txt
    """
    with Home(home_path(home)) as opened:
        connector = opened.connectors[vendor]
        file = _read(credentials) if credentials else {}
        given = {**_credentials_in(file, connector), **_typed(credential or [])}
        place, settings = _parted(
            connector, {**_settings_in(file, connector), **pairs(set_ or [], "--set")}
        )
        account = account or str(file.get("account") or "")
        franchise = franchise or _franchise_in(file, account)
        wish = Wish(connection, name, account, franchise, environment, settings)
        by_browser = connector.auth.kind == "authorization_code"
        if place or (by_browser and given) or register_only:
            kept = given if by_browser else None
            opened.access.register(vendor, kept, settings=place, environment=environment)
        if register_only:
            emit({"registered": vendor, "environment": environment}, as_json=json_)
            return
        if by_browser:
            made = _signed_in(opened, vendor, wish, port, within, opens=not no_browser)
        else:
            given = given or _asked(connector)
            made = opened.access.connect(vendor, given, wish)
        opened.recorder.map_new()
    emit(_shown(made, connector), as_json=json_)
    if not json_:
        print(f"{made.id} is connected ({describe(connector.auth)}): meterstone sync {made.id}")


@app.command()
def disconnect(
    connection: Annotated[str, typer.Argument(help="Id of a connection.")],
    reason: Annotated[str, typer.Option(help="Why; stands in the audit log.")] = "",
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Give the access back at the vendor and destroy its secrets; what was synced stays.

    Example: meterstone disconnect square-1a2b3c4d
    """
    with Home(home_path(home)) as opened:
        gone = opened.access.disconnect(connection, reason=reason)
        opened.recorder.map_new()
    emit({"id": connection, "revoked": gone.revoked, "said": gone.said}, as_json=json_)
    if not json_:
        print(f"{connection} is disconnected: {gone.said}.")


@app.command("oauth-check")
def oauth_check(
    connection: Annotated[str, typer.Argument(help="Only this one; default: all.")] = "",
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Look at the ten controls of RFC 9700 of each connection, and land what was found.

    Example: meterstone oauth-check
    """
    with Home(home_path(home)) as opened:
        with opened.ledger.read() as seen:
            chosen = [seen.connections.get(connection)] if connection else []
        looked = opened.access.tell_checks(*chosen)
        found = {one.id: opened.access.check(one.id) for one in looked}
        opened.recorder.map_new()
    document = {
        key: [{"control": c.control, "result": c.result, "reason": c.reason} for c in checks]
        for key, checks in found.items()
    }
    emit(document, as_json=json_)
    if not json_:
        for key, checks in found.items():
            print(key)
            for c in checks:
                because = f": {c.reason}" if c.reason else ""
                print(f"  {c.control:<24} {_RESULTS[c.result]}{because}")
    if any(c.result == "failed" for checks in found.values() for c in checks):
        raise typer.Exit(1)


def _signed_in(
    opened: Home, vendor: str, wish: Wish, port: int, within: int, *, opens: bool
) -> Connection:
    opened.access.check_registered(vendor, wish.environment)
    with callback_server(opened.access, vendor, wish, port) as waiting:
        log.print(f"open {waiting.start_url}", markup=False, highlight=False, soft_wrap=True)
        log.print(
            f"(registered at the vendor must be the redirect URI {waiting.redirect_uri})",
            markup=False, highlight=False, soft_wrap=True,
        )  # fmt: skip
        if opens:
            webbrowser.open(waiting.start_url)
        return waiting.wait(timedelta(seconds=within))


def _typed(texts: list[str]) -> dict[str, str]:
    found = {}
    for name, value in pairs(texts, "--credential").items():
        from_file = value.startswith("@")
        found[name] = _text(read_file(Path(value[1:]))) if from_file else value
    return found


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace").strip()


def _read(file: str) -> dict[str, Any]:
    """The object of a file; nothing of it is in the error when it is none."""
    raw = sys.stdin.buffer.read() if file == "-" else read_file(Path(file))
    try:
        document: Any = json.loads(raw)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise InputError(
            "not a JSON object", place="--credentials", mend='give {"client_id": "…"}'
        ) from None
    return document


def _credentials_in(file: Mapping[str, Any], connector: Connector) -> dict[str, str]:
    """What the connector needs; other names of the file are left alone."""
    fields = connector.auth.fields
    return {name: str(file[name]) for name in fields if isinstance(file.get(name), str)}


def _franchise_in(file: Mapping[str, Any], account: str) -> str:
    """Whose shop the account is, where the file lists accounts with their franchises."""
    listed = file.get("accounts")
    for entry in listed if isinstance(listed, list) else ():
        if isinstance(entry, dict) and entry.get("account") == account:
            return str(entry.get("franchise_id") or "")
    return ""


def _settings_in(file: Mapping[str, Any], connector: Connector) -> dict[str, str]:
    """Settings by their name, and those under ``settings``, which may say where the vendor is."""
    own = {
        name: str(file[name])
        for name, entry in connector.settings.items()
        if isinstance(file.get(name), str) and not entry.from_
    }
    inner = file.get("settings")
    return {**own, **({k: str(v) for k, v in inner.items()} if isinstance(inner, dict) else {})}


def _asked(connector: Connector) -> dict[str, str]:
    """What a person types, where there is one; a program is told what is missing."""
    if not sys.stdin.isatty():
        return {}
    return {
        name: typer.prompt(entry.title or name, hide_input=entry.secret, err=True)
        for name, entry in connector.auth.fields.items()
        if entry.required
    }


def _parted(
    connector: Connector, given: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Settings that say where the vendor is, and those of the connection."""
    where = hosts(connector)
    place = {name: value for name, value in given.items() if name in where}
    return place, {name: value for name, value in given.items() if name not in where}


def _shown(connection: Connection, connector: Connector) -> dict[str, Any]:
    return {
        "id": connection.id,
        "connector": connection.connector,
        "account": connection.account,
        "name": connection.name,
        "franchise_id": connection.franchise_id,
        "environment": connection.environment,
        "status": connection.status,
        "sign_in": describe(connector.auth),
    }
