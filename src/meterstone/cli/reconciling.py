"""The command of reconciliation, and its work list."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from meterstone.app import Home
from meterstone.cli.shared import HomeOption, JsonOption, emit
from meterstone.cli.syncing import chosen_connections
from meterstone.connect.reconcile import Reconciliation
from meterstone.errors import InputError
from meterstone.ledger import Discrepancy
from meterstone.settings import home_path

app = typer.Typer()


@app.command()
def reconcile(
    connection: Annotated[
        str | None, typer.Argument(help="Id of a connection, or a connector; default: all.")
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Compare every record, not a random sample.")
    ] = False,
    found_only: Annotated[
        bool, typer.Option("--found-only", help="Repair nothing; everything is work.")
    ] = False,
    open_: Annotated[
        bool, typer.Option("--open", help="Only show the work list: what is still open.")
    ] = False,
    accept: Annotated[
        int | None, typer.Option(help="Take this number off the work list, with --reason.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why it is accepted.")] = "",
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Compare what the vendors have with what we have, and resolve what differs. Exit 1: something
    is open.

    Example: meterstone reconcile square --full
    """
    with Home(home_path(home)) as opened:
        if accept is not None:
            _accept(opened, accept, reason, as_json=json_)
            return
        results: list[Reconciliation] = []
        if not open_:
            for chosen in chosen_connections(opened.hub, connection):
                results += opened.reconciler.connection(chosen.id, full=full, repair=not found_only)
        with opened.ledger.read() as seen:
            work = [
                each for each in seen.discrepancies.open()
                if connection is None or each.connection.startswith(connection)
            ]  # fmt: skip
    document = {"reconciliations": [r.as_dict() for r in results], "open": list(map(asdict, work))}
    emit(document, as_json=json_)
    if not json_:
        for result in results:
            print(_line(result))
        for each in work:
            print(_work(each))
        print(f"{len(work)} open" if work else "Nothing is open.")
    if work:
        raise typer.Exit(1)


def _accept(opened: Home, number: int, reason: str, *, as_json: bool) -> None:
    if not reason:
        raise InputError("why is it accepted?", place="--reason", mend='--reason "…"')
    with opened.ledger.change("cli") as change:
        done = change.discrepancies.accept(number, reason)
    emit(asdict(done), as_json=as_json)
    if not as_json:
        print(f"{number} is off the work list: {reason}")


def _line(result: Reconciliation) -> str:
    head = f"{result.connection} {result.entity} ({result.method.replace('_', ' ')}):"
    if not result.checked and not result.extra:
        return f"{head} nothing to compare"
    money = result.money_accuracy
    weighed = f", {money:.4%} of the money" if money is not None else ""
    found = f"{result.mismatched:,} differ, {result.missing:,} missing, {result.extra:,} too many"
    return (
        f"{head} {result.matched:,} of {result.checked:,} alike{weighed}; {found};"
        f" {result.auto_resolved:,} resolved, {result.open:,} open"
    )


def _work(each: Discrepancy) -> str:
    fields: dict[str, Any] = dict(each.detail)
    one, other = ("till", "book") if each.entity == "sales" else ("vendor", "copy")
    told = "; ".join(f"{name}: {one} {a}, {other} {b}" for name, (a, b) in fields.items())
    worth = f" ({each.amount:,.2f} USD)" if each.amount is not None else ""
    tail = f"\n    {told}" if told else ""
    on_it = f" [{each.assigned_to} is on it]" if each.assigned_to else ""
    head = f"{each.id:>6}  {each.connection} {each.kind} {each.key}{worth}"
    return f"{head}: {each.reason}{on_it}{tail}"
