"""Commands of attestations: forms, add, retract, due."""

from __future__ import annotations

import mimetypes
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from meterstone.app import Home
from meterstone.cli.shared import (
    HomeOption,
    JsonOption,
    emit,
    moment_of,
    pairs,
    read_file,
)
from meterstone.errors import InputError, suggest
from meterstone.facts import vocabulary
from meterstone.facts.typed import typed
from meterstone.record.attestation import forms
from meterstone.settings import home_path

app = typer.Typer()
attest_app = typer.Typer(no_args_is_help=True, help="What no machine knows, with evidence.")
app.add_typer(attest_app, name="attest")


@attest_app.command("forms")
def attest_forms(
    fact: Annotated[str | None, typer.Argument(help="One fact; default: all.")] = None,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """What can be attested, and which fields each form has."""
    del home  # the same everywhere
    found = forms()
    if fact is not None and fact not in found:
        raise InputError(
            f"{fact!r} is not entered by hand", place="FACT", mend=suggest(fact, list(found))
        )
    chosen = found if fact is None else {fact: found[fact]}
    emit({name: [asdict(f) for f in fields] for name, fields in chosen.items()}, as_json=json_)
    if not json_:
        for name, fields in chosen.items():
            print(name)
            for entry in fields if fact else ():
                allowed = f" ({', '.join(entry.allowed)})" if entry.allowed else f" {entry.unit}"
                needed = "required" if entry.required else "optional"
                print(f"  {entry.name}: {entry.type}{allowed}, {needed}. {entry.desc}")


@attest_app.command("add")
def attest_add(
    fact: Annotated[str, typer.Argument(help="A fact of `attest forms`, such as recognition.")],
    person: Annotated[str, typer.Option(help="Who states it.")],
    role: Annotated[str, typer.Option(help="In which role.")],
    evidence: Annotated[str, typer.Option(help="Link to the evidence, or a file to keep.")],
    expires: Annotated[str, typer.Option(help="Until when it counts, such as 2027-06-30.")],
    columns: Annotated[
        list[str] | None, typer.Option("--set", help="A column, as NAME=VALUE; repeat it.")
    ] = None,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """State something, with evidence and expiry.

    Example: meterstone attest add attestation --set claim_key=register_review:recognition
    --set statement="All awards are in" --person "J. Doe" --role marketing
    --evidence minutes.pdf --expires 2027-01-31
    """
    until = moment_of(expires, "--expires")
    given = pairs(columns or [], "--set")
    with Home(home_path(home)) as opened:
        done = opened.attest(
            fact, typed(vocabulary().get(fact), given), person=person, role=role,
            evidence=_evidence(evidence), expires_at=until or datetime.now(UTC),
        )  # fmt: skip
    emit(done, as_json=json_)
    if not json_:
        print(f"{fact}: {done['new']} stated, {done['revised']} corrected; {done['evidence_uri']}")


@attest_app.command("retract")
def attest_retract(
    fact: Annotated[str, typer.Argument(help="A fact of `attest forms`.")],
    key: Annotated[list[str], typer.Option("--key", help="What identifies it, as NAME=VALUE.")],
    person: Annotated[str, typer.Option(help="Who withdraws it.")],
    role: Annotated[str, typer.Option(help="In which role.")],
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Withdraw a statement. What was known before stays on record.

    Example: meterstone attest retract recognition --key recognition_id=r1 --person … --role …
    """
    with Home(home_path(home)) as opened:
        done = opened.retract(fact, pairs(key, "--key"), person, role)
    emit({"retracted": done.appended.revised}, as_json=json_)
    if not json_:
        print(f"{done.appended.revised} withdrawn")


@attest_app.command("due")
def attest_due(
    days: Annotated[int, typer.Option(help="How far ahead to look.")] = 60,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """The review queue: evidence that expires soon, or has expired."""
    with Home(home_path(home)) as opened:
        found = opened.attestations_due(timedelta(days=days))
    emit([entry.as_dict() for entry in found], as_json=json_)
    if not json_:
        for entry in found:
            told = f"{entry.state} {entry.expires_at:%Y-%m-%d}"
            print(f"{told}  {entry.fact}  {entry.what}  ({entry.entered_role})")
        print(f"{len(found)} to review" if found else f"Nothing expires within {days} days.")


def _evidence(text: str) -> str | tuple[bytes, str, str]:
    path = Path(text)
    if "://" in text or text.startswith("urn:"):
        return text
    media_type, _ = mimetypes.guess_type(path.name)
    return read_file(path), path.name, media_type or ""
