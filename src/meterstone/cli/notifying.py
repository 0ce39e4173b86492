"""Commands of notifications: over which channels, what was sent, a test.

They work while ``meterstone up`` serves the same home: they open its ledger and nothing else. The
URL of a channel is read from a file, so that it stands in no history of a shell.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from meterstone.cli.shared import HomeOption, JsonOption, emit
from meterstone.connect.egress import VENDORS, Egress
from meterstone.errors import InputError, MeterstoneError
from meterstone.ledger import Ledger
from meterstone.ledger.notices import Channel
from meterstone.notify.service import Notifications
from meterstone.notify.ways import Ways
from meterstone.settings import (
    allowed_networks,
    home_path,
    loopback_allowed,
    port_number,
    public_url,
    setting,
)

app = typer.Typer()
notify_app = typer.Typer(no_args_is_help=True, help="Who is told of incidents, and what was sent.")
app.add_typer(notify_app, name="notify")

ACTOR = "cli"
_MOST = 20
_STATES = {"waiting": "waits", "sent": "sent", "dead": "given up"}

ChannelArgument = Annotated[str, typer.Argument(help="Name or id of the channel.")]


@notify_app.command("list")
def list_(home: HomeOption = None, json_: JsonOption = False) -> None:
    """Channels, routes, and the newest messages. URLs are never shown.

    Example: meterstone notify list
    """
    with _notifications(home) as notify:
        channels, routes, notices = notify.channels(), notify.routes(), notify.notices(_MOST)
    emit(
        {
            "channels": [asdict(each) for each in channels],
            "routes": [{"id": each.id, "name": each.name, **each.settings()} for each in routes],
            "notices": [asdict(each) for each in notices],
        },
        as_json=json_,
    )
    if json_:
        return
    names = {channel.id: channel.name for channel in channels}
    for channel in channels:
        print(f"channel {_line(channel)}")
    for route in routes:
        print(f"route   {route.name}: {route.least} and worse → {names.get(route.channel, '?')}")
    for notice in notices:
        print(f"{notice.id}  {_STATES[notice.state]}  {notice.created_at:%Y-%m-%d %H:%M} UTC  "
              f"{names.get(notice.channel, 'a removed channel')}: {notice.title}")  # fmt: skip
    if not channels:
        print("No channel yet: meterstone notify add NAME --url-file FILE")


@notify_app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="How people call the channel.")],
    url_file: Annotated[
        Path, typer.Option(help="A file with the Apprise URL, such as mailtos://… or slack://…")
    ],
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Add a channel; its URL is sealed, and the file can be deleted.

    Example: meterstone notify add on-call --url-file ./on-call.url
    """
    try:
        url = url_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            "cannot read the URL", place=str(url_file), mend="give a text file with one line"
        ) from error
    with _notifications(home) as notify:
        made = notify.add_channel(name, url, ACTOR)
    emit(asdict(made), as_json=json_)
    if not json_:
        print(f"channel {_line(made)}. Send a test before you rely on it.")


@notify_app.command("remove")
def remove(channel: ChannelArgument, home: HomeOption = None) -> None:
    """Forget a channel and destroy its URL.

    Example: meterstone notify remove on-call
    """
    with _notifications(home) as notify:
        notify.remove_channel(_found(notify, channel).id, ACTOR)


@notify_app.command("test")
def send_test(channel: ChannelArgument, home: HomeOption = None, json_: JsonOption = False) -> None:
    """Send a test now, once; the exit code says whether the service took it.

    Example: meterstone notify test on-call
    """
    with _notifications(home) as notify:
        sent = notify.test(_found(notify, channel).id, ACTOR)
    if sent.state != "sent":
        raise MeterstoneError(
            sent.error, place=f"message {sent.id}", mend="look at the URL and the service's own log"
        )
    emit(asdict(sent), as_json=json_)
    if not json_:
        print(f"The service of {channel} took the test.")


@notify_app.command("again")
def again(
    notice: Annotated[str, typer.Argument(help="Id of a message that was given up.")],
    home: HomeOption = None,
) -> None:
    """Queue a message that was given up once more; `meterstone up` sends it.

    Example: meterstone notify again 0f3c9a…
    """
    with _notifications(home) as notify:
        notify.again(notice, ACTOR)


def _found(notify: Notifications, name: str) -> Channel:
    for channel in notify.channels():
        if name in (channel.id, channel.name):
            return channel
    raise InputError(
        f"there is no channel {name[:50]!r}", place="CHANNEL", mend="meterstone notify list"
    )


def _line(channel: Channel) -> str:
    failed = f", last failed: {channel.last_error}" if channel.last_error else ""
    return f"{channel.name} ({channel.way}){failed}"


@contextmanager
def _notifications(home: Path | None) -> Iterator[Notifications]:
    url = public_url(setting("host"), port_number(None))
    allowed = replace(VENDORS, networks=allowed_networks()).with_loopback(loopback_allowed())
    with Ledger.open(home_path(home), setting("ledger_url") or None) as ledger:
        yield Notifications(ledger, Ways(Egress(allowed), url), url)
