"""Commands for people: who may come in, what they may, and the tokens of programs.

They work while ``meterstone up`` serves the same home: they open its ledger and nothing else. What
they change holds there within five seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from meterstone.cli.shared import HomeOption, JsonOption, emit
from meterstone.errors import InputError
from meterstone.ledger import Ledger, Person
from meterstone.people.links import Link
from meterstone.people.rights import Right
from meterstone.people.service import House
from meterstone.settings import home_path, port_number, public_url, setting

app = typer.Typer()
people_app = typer.Typer(no_args_is_help=True, help="Who may sign in, and what they may.")
app.add_typer(people_app, name="people")

ACTOR = "cli"

Name = Annotated[str, typer.Argument(help="The name that the person signs in with.")]
RoleOption = Annotated[
    str | None,
    typer.Option("--role", help="admin, operator, analyst, executive, auditor or owner."),
]
FranchiseOption = Annotated[
    list[str] | None,
    typer.Option("--franchise", help="Id of a shop that an owner owns; may be given again."),
]


@people_app.command("add")
def add(
    name: Name,
    role: Annotated[str, typer.Option(help="What the person is to the programme.")],
    called: Annotated[str, typer.Option(help="The name as shown.")] = "",
    mail: Annotated[str, typer.Option(help="Address; an identity provider is matched by it.")] = "",
    franchise: FranchiseOption = None,
    password_file: Annotated[
        Path | None, typer.Option(help="A file with the password; without it a link is made.")
    ] = None,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Add a person, and print the one-time link by which they choose a password.

    Example: meterstone people add ana.lopez --role owner --franchise F0012
    """
    with _house(home) as house:
        made = house.directory.add(
            ACTOR, name=name, called=called, role=role, email=mail, franchises=franchise or (),
            password=None if password_file is None else _password_in(password_file),
        )  # fmt: skip
        link = None if password_file else house.links.for_password(made.id, ACTOR)
    _tell(made, link, as_json=json_)


@people_app.command("list")
def list_(home: HomeOption = None, json_: JsonOption = False) -> None:
    """Everybody, by name.

    Example: meterstone people list
    """
    with _house(home) as house:
        everybody = house.directory.all()
    emit([_shown(person) for person in everybody], as_json=json_)
    if not json_:
        for person in everybody:
            shops = ", ".join(sorted(person.franchises))
            print(
                f"{person.name:<24} {person.role:<10} {person.status:<9} {person.called}  {shops}"
            )


@people_app.command("change")
def change(
    name: Name,
    role: RoleOption = None,
    franchise: FranchiseOption = None,
    disable: Annotated[bool, typer.Option("--disable", help="Sign out and keep out.")] = False,
    enable: Annotated[bool, typer.Option("--enable", help="Let in again.")] = False,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Change what a person may.

    Example: meterstone people change ana.lopez --disable
    """
    if disable and enable:
        raise InputError("--disable and --enable exclude each other", mend="give one of them")
    with _house(home) as house:
        person = house.directory.get(name)
        changed = house.directory.change(
            ACTOR, person.id, role=role, franchises=franchise,
            status="disabled" if disable else "active" if enable else None,
        )  # fmt: skip
    _tell(changed, None, as_json=json_)


@people_app.command("link")
def link(
    name: Annotated[str | None, typer.Argument(help="Whose; none: the set-up link.")] = None,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Print a new one-time link: to choose a password, or the one that makes the first
    administrator. Links that were made before hold no longer.

    Example: meterstone people link ana.lopez
    """
    with _house(home) as house:
        person = None if name is None else house.directory.get(name)
        made = house.links.first() if person is None else house.links.for_password(person.id, ACTOR)
    if made is None:
        raise InputError(
            "there are people already: nobody needs the set-up link",
            place="link",
            mend="meterstone people link NAME makes one for a person",
        )
    _tell(person, made, as_json=json_)


@people_app.command("reset")
def reset(name: Name, home: HomeOption = None, json_: JsonOption = False) -> None:
    """Sign a person out everywhere, and print a link by which they choose a new password. The old
    password holds no longer.

    Example: meterstone people reset ana.lopez
    """
    with _house(home) as house:
        person = house.directory.get(name)
        house.directory.drop_password(ACTOR, person.id)
        made = house.links.for_password(person.id, ACTOR)
    _tell(person, made, as_json=json_)


@people_app.command("token")
def token(
    name: Name,
    right: Annotated[
        list[str], typer.Option("--right", help="What it may, such as ingest; may be given again.")
    ],
    called: Annotated[str, typer.Option(help="What it is for.")] = "command line",
    days: Annotated[int, typer.Option(help="After so many it ends.")] = 90,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Make a token for a program, with rights of a person. It is printed this once.

    Example: meterstone people token ana.lopez --right ingest --called "till export"
    """
    with _house(home) as house:
        person = house.directory.get(name)
        made = house.tokens.make(person.id, called, map(right_of, right), days, actor=ACTOR)
    document = {"id": made.token.id, "token": made.secret, "expires_at": made.token.expires_at}
    emit(document, as_json=json_)
    if not json_:
        print(made.secret)


@people_app.command("revoke")
def revoke(
    token: Annotated[str, typer.Argument(help="Id of a token: token:…")],
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Revoke a token.

    Example: meterstone people revoke token:0123456789abcdef
    """
    with _house(home) as house:
        house.tokens.revoke(token, ACTOR)
    emit({"revoked": token}, as_json=json_)
    if not json_:
        print(f"{token} opens nothing any more")


def right_of(text: str) -> Right:
    """A right by its name.

    Raises:
        InputError: there is no such right.
    """
    try:
        return Right(text)
    except ValueError:
        raise InputError(
            f"unknown right {text[:100]!r}", place="--right", mend="one of: " + ", ".join(Right)
        ) from None


@contextmanager
def _house(home: Path | None) -> Iterator[House]:
    folder = home_path(home)
    with Ledger.open(folder, setting("ledger_url") or None) as ledger:
        yield House(ledger)


def _password_in(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            "cannot read the password", place=str(path), mend="give a text file with one line"
        ) from error


def _shown(person: Person) -> dict[str, Any]:
    """A person without the hash of the password."""
    fields = asdict(person)
    fields["has_password"] = fields.pop("password") is not None
    return {**fields, "franchises": sorted(person.franchises)}


def _tell(person: Person | None, link: Link | None, *, as_json: bool) -> None:
    document: dict[str, Any] = {} if person is None else _shown(person)
    url = public_url(setting("host"), port_number(None))
    if link is not None:
        document |= {"link": f"{url}{link.path}", "link_expires_at": link.expires_at}
    emit(document, as_json=as_json)
    if as_json:
        return
    if person is not None:
        print(f"{person.name}: {person.role}, {person.status}")
    if link is not None:
        print(f"One-time link until {link.expires_at:%Y-%m-%d %H:%M} UTC: {url}{link.path}")
