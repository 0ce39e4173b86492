"""Commands of webhooks: out (`webhooks`), and the addresses that vendors send to (`hooks`)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Annotated, Any

import typer

from meterstone.app import Home
from meterstone.cli.shared import HomeOption, JsonOption, emit, moment_of
from meterstone.connect.hooks import Hooks, shown
from meterstone.errors import InputError
from meterstone.publish.outbound.service import Webhooks
from meterstone.settings import home_path, setting

app = typer.Typer()
webhooks_app = typer.Typer(no_args_is_help=True, help="Messages to the endpoints of others.")
hooks_app = typer.Typer(no_args_is_help=True, help="Addresses that vendors send webhooks to.")
app.add_typer(webhooks_app, name="webhooks")
app.add_typer(hooks_app, name="hooks")

EndpointArgument = Annotated[
    str, typer.Argument(help="Id, as `meterstone webhooks list` shows it.")
]
HookArgument = Annotated[str, typer.Argument(help="Id, as `meterstone hooks list` shows it.")]


def _key(variable: str) -> str:
    """A key from the environment: on the command line others could read it.

    Raises:
        InputError: the variable is not set.
    """
    if not variable:
        return ""
    if not os.environ.get(variable):
        raise InputError(f"{variable} is not set", place="--key-env", mend="export it first")
    return os.environ[variable]


@contextmanager
def _out(home: Any) -> Iterator[Webhooks]:
    with Home(home_path(home)) as opened:
        yield Webhooks(opened.ledger, "cli", opened.strangers_egress)


@contextmanager
def _in(home: Any) -> Iterator[Hooks]:
    with Home(home_path(home)) as opened:
        yield Hooks(opened.ledger, opened.connectors, "cli")


@webhooks_app.command("add")
def webhooks_add(
    url: Annotated[str, typer.Argument(help="Where messages go: https, port 443 or 8443.")],
    type_: Annotated[
        list[str] | None, typer.Option("--type", help="Only this type of event; repeat it.")
    ] = None,
    ordered: Annotated[
        bool,
        typer.Option("--ordered", help="One at a time, in order; a failure holds up the rest."),
    ] = False,
    description: Annotated[str, typer.Option(help="For people.")] = "",
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Send messages to an endpoint from now on. Its secret is shown this once.

    Example: meterstone webhooks add https://example.com/hook --type connection.broken
    """
    with _out(home) as webhooks:
        added = webhooks.add(url, event_types=type_ or [], ordered=ordered, description=description)
    emit({"id": added.endpoint.id, "secret": added.secret}, as_json=json_)
    if not json_:
        print(f"{added.endpoint.id}\nsecret: {added.secret}\nIt is shown this once.")


@webhooks_app.command("list")
def webhooks_list(home: HomeOption = None, json_: JsonOption = False) -> None:
    """The endpoints, and how many of their deliveries are in which state."""
    with _out(home) as webhooks:
        found = [each.as_dict() for each in webhooks.all()]
    emit(found, as_json=json_)
    if not json_:
        for each in found:
            counts = ", ".join(f"{number:,} {what}" for what, number in each["deliveries"].items())
            print(f"{each['id']}  {each['status']:9} {each['url']}  {counts or 'nothing sent'}")
            if each["reason"]:
                print(f"  {each['reason']}\n  mend: meterstone webhooks enable {each['id']}")
        if not found:
            print("Nobody is told anything: meterstone webhooks add URL")


@webhooks_app.command("rotate")
def webhooks_rotate(
    endpoint: EndpointArgument,
    hours: Annotated[float, typer.Option(help="So long the former secret signs too.")] = 24.0,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """A new secret for an endpoint, shown this once; both sign for a time."""
    with _out(home) as webhooks:
        added = webhooks.rotate(endpoint, timedelta(hours=hours))
    emit({"id": endpoint, "secret": added.secret}, as_json=json_)
    if not json_:
        print(f"secret: {added.secret}\nIt is shown this once; the former one holds {hours:g} h.")


@webhooks_app.command("replay")
def webhooks_replay(
    endpoint: EndpointArgument,
    since: Annotated[str, typer.Option(help="From this moment: 2026-03-01T00:00:00Z.")],
    until: Annotated[str | None, typer.Option(help="Up to this moment; default: now.")] = None,
    missed: Annotated[
        bool, typer.Option("--missed", help="Only what the endpoint never took.")
    ] = False,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Send the messages of a time once more, with the same ids, in their order."""
    begin = moment_of(since, "--since")
    if begin is None:
        raise InputError("no moment", place="--since", mend="--since 2026-03-01T00:00:00Z")
    with _out(home) as webhooks:
        number = webhooks.replay(endpoint, begin, moment_of(until, "--until"), missed_only=missed)
    emit({"messages": number}, as_json=json_)
    if not json_:
        print(f"{number:,} messages are sent again")


@webhooks_app.command("test")
def webhooks_test(
    endpoint: EndpointArgument, home: HomeOption = None, json_: JsonOption = False
) -> None:
    """Send one message of type webhook.test to an endpoint, now, and say what it answered."""
    with Home(home_path(home)) as opened:
        webhooks = Webhooks(opened.ledger, "cli", opened.strangers_egress)
        message = webhooks.test(endpoint)
        opened.deliverer.step()
        opened.deliverer.stop()
        attempts = webhooks.attempts(endpoint, message)
    outcome = attempts[-1].outcome if attempts else "waiting"
    error = attempts[-1].error if attempts else ""
    emit({"message": message, "outcome": outcome, "error": error}, as_json=json_)
    if not json_:
        print(f"{message}: {outcome}{f' ({error})' if error else ''}")
    if outcome != "delivered":
        raise typer.Exit(1)


@webhooks_app.command("enable")
def webhooks_enable(
    endpoint: EndpointArgument, home: HomeOption = None, json_: JsonOption = False
) -> None:
    """Send to a disabled endpoint again; `replay --missed` sends what it missed."""
    with _out(home) as webhooks:
        status = webhooks.enable(endpoint).status
    emit({"id": endpoint, "status": status}, as_json=json_)
    if not json_:
        print(f"{endpoint}: {status}")


@webhooks_app.command("remove")
def webhooks_remove(
    endpoint: EndpointArgument, home: HomeOption = None, json_: JsonOption = False
) -> None:
    """Send nothing more to an endpoint, and destroy its secret."""
    with _out(home) as webhooks:
        webhooks.remove(endpoint)
    emit({"id": endpoint, "status": "removed"}, as_json=json_)


@hooks_app.command("add")
def hooks_add(
    connector: Annotated[str, typer.Argument(help="Whose webhooks: square, quickbooks …")],
    url: Annotated[
        str | None,
        typer.Option("--public-url", help="Where the vendor reaches us (METERSTONE_PUBLIC_URL)."),
    ] = None,
    key_env: Annotated[
        str, typer.Option(help="Environment variable with the key that the vendor signs with.")
    ] = "",
    connection: Annotated[
        str | None, typer.Option(help="Only for this connection; default: by account.")
    ] = None,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """An address to give to a vendor; shown this once, for its last part is secret.

    Example: meterstone hooks add square --public-url https://hub.example.com
    """
    with _in(home) as hooks:
        added = hooks.add(
            connector, setting("public_url", url), key=_key(key_env), connection=connection
        )
    emit({"id": added.hook.id, "url": added.url, "key": added.key}, as_json=json_)
    if not json_:
        print(f"{added.hook.id}\n{added.url}")
        if added.key and not key_env:
            print(f"key: {added.key}")
        print("The address is shown this once.")


@hooks_app.command("key")
def hooks_key(
    hook: HookArgument,
    key_env: Annotated[
        str, typer.Option(help="Environment variable with the key that the vendor signs with.")
    ],
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """The key that the vendor signs with now; the former one holds for a day."""
    with _in(home) as hooks:
        hooks.set_key(hook, _key(key_env))
    emit({"id": hook}, as_json=json_)


@hooks_app.command("list")
def hooks_list(home: HomeOption = None, json_: JsonOption = False) -> None:
    """The addresses that vendors send to, and what came, came twice and was refused."""
    with _in(home) as hooks:
        found = [shown(hook) for hook in hooks.all()]
    emit(found, as_json=json_)
    if not json_:
        for each in found:
            last = f" (last: {each['last_refusal']})" if each["refused"] else ""
            print(
                f"{each['id']}  {each['connector']:12} {each['events']:,} events, "
                f"{each['doubles']:,} doubles, {each['refused']:,} refused{last}"
            )
            if each["handshake"]:
                print(f"  the vendor asks for this code: {each['handshake']}")
        if not found:
            print("No vendor sends here: meterstone hooks add CONNECTOR")


@hooks_app.command("remove")
def hooks_remove(hook: HookArgument, home: HomeOption = None, json_: JsonOption = False) -> None:
    """Take nothing more at an address."""
    with _in(home) as hooks:
        hooks.remove(hook)
    emit({"id": hook, "status": "removed"}, as_json=json_)
