"""Proof: what the vendors know of a simulated network comes through all nine stand-ins unchanged.

    python tests/proof/sync_truth.py --story honest --shops 6 --months 3

A home is connected to the nine stand-ins as a customer does it, every stream is read, and the facts
are held against the simulated ones: every row, every column of the fact, none too many. Then each
connection is reconciled in full, and a table is published at Tableau and Power BI and read back.
Exits with 1 when a row does not hold.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
import tempfile
import time
import zipfile
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.connect.customer import Customer, customer
from tests.connect.leads_truth import comparable, simulated

from meterstone.connect.push import Column, Pushing, Ready, Table
from meterstone.connect.spec import Request
from meterstone.sandbox.kit import Books, known_vendors
from meterstone.sandbox.network import preset, simulate

SIZES = {"honest": (30, 6), "thriving": (20, 6)}
"""Shops and months of each network: pieces that are read in a minute."""
WHOLE = (480, 45)
"""Of the thriving network as the presets have it; it is read in some minutes."""


@dataclass(frozen=True)
class Row:
    """One fact of one vendor: rows of the truth, those that came, and how they differ."""

    vendor: str
    fact: str
    truth: int
    synced: int
    missing: int
    extra: int

    @property
    def holds(self) -> bool:
        """Whether all came, as they are."""
        return self.truth > 0 and not self.missing + self.extra


def facts_of(at: Customer, vendor: str) -> list[str]:
    """Facts that the connector of a vendor maps to."""
    streams = at.home.connectors[vendor].streams.values()
    return sorted({each.fact for stream in streams for each in stream.facts})


def compared(at: Customer, books: Books) -> list[Row]:
    """Every fact of every vendor against the truth."""
    found = []
    for vendor in at.connections:
        for fact in facts_of(at, vendor):
            truth = simulated(books, fact, vendor)
            synced = comparable(at.facts(fact, source=vendor), fact)
            found.append(
                Row(
                    vendor, fact, truth.total(), synced.total(),
                    (truth - synced).total(), (synced - truth).total(),
                )
            )  # fmt: skip
            if not found[-1].holds:
                print(_first(fact, truth, synced), file=sys.stderr)
    return found


def _first(fact: str, truth: Counter[Any], synced: Counter[Any]) -> str:
    """What differs first, for whoever has to mend it."""
    missing, extra = next(iter(truth - synced), None), next(iter(synced - truth), None)
    return f"{fact}: missing {missing}; too much {extra}"


def reconciled(at: Customer) -> dict[str, tuple[int, int]]:
    """Records compared with the source in full sweeps, and how many differed, by vendor."""
    found = {}
    for vendor, connections in at.connections.items():
        checked = wrong = 0
        for connection in connections:
            for stream in at.fact_streams(vendor):
                result = at.home.reconciler.stream(connection.id, stream, full=True, repair=False)
                checked += result.checked
                wrong += result.missing + result.mismatched + result.extra
        found[vendor] = checked, wrong
    return found


def published(at: Customer, rows: list[Row]) -> dict[str, bool]:
    """Whether a table that is published at Tableau and Power BI is there as it was sent."""
    table = Table(
        "Sync", (Column("vendor", "text"), Column("fact", "text"), Column("rows", "integer")),
        [(row.vendor, row.fact, row.synced) for row in rows],
    )  # fmt: skip
    pushing = Pushing(at.hub, lambda _names: [Ready(table)])
    expected = [[str(value) for value in row] for row in table.rows]
    found = {}
    for connection in pushing.connections():
        [done] = pushing.push(connection.id)
        assert done.pushed, done.error
        found[connection.connector] = (
            read_back(at, connection, done.pushed.id, table.name) == expected
        )
    return found


def _call(at: Customer, connection: Any, **request: Any) -> Any:
    client = at.hub.client(connection)
    return client.send(client.call(Request.model_validate(request)), data=False)


def _at_tableau(at: Customer, connection: Any, id_: str) -> list[list[str]]:
    path = f"/api/{{api_version}}/sites/{{site_id}}/datasources/{id_}/content"
    with zipfile.ZipFile(io.BytesIO(_call(at, connection, path=path).body)) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".csv"))
        return list(csv.reader(io.StringIO(archive.read(name).decode())))[1:]


def read_back(at: Customer, connection: Any, id_: str, table: str) -> list[list[str]]:
    """Rows of a published table as the vendor has them, as texts."""
    if connection.connector == "tableau":
        return _at_tableau(at, connection, id_)
    return _at_power_bi(at, connection, id_, table)


def _at_power_bi(at: Customer, connection: Any, id_: str, table: str) -> list[list[str]]:
    path = f"/v1.0/myorg/groups/{{workspace}}/datasets/{id_}/executeQueries"
    body = {"queries": [{"query": f"EVALUATE '{table}'"}]}
    told = _call(at, connection, method="POST", path=path, body=body).content
    rows = told["results"][0]["tables"][0]["rows"]
    return [[str(value) for value in row.values()] for row in rows]


def network(story: str, shops: int, months: int, folder: Path) -> tuple[list[str], bool]:
    """One network through all nine: lines of the page, and whether all of it holds."""
    simulate(preset(story, shops=shops, months=months, telemetry_days=None, seed=1), folder / "net")
    books = Books(folder / "net")
    began = time.monotonic()
    with customer(folder / "home", books, *known_vendors()) as at:
        at.sync()
        took = time.monotonic() - began
        rows = compared(at, books)
        checked, shown = reconciled(at), published(at, rows)
    for row in rows:
        print(_line(row, checked), flush=True)
    print(shown, flush=True)
    total = sum(row.synced for row in rows)
    accuracy = 100 * (1 - sum(row.missing + row.extra for row in rows) / max(total, 1))
    lines = [
        f"## {story}: {shops} shops, {months} months", "",
        "| vendor | fact | true rows | synced | missing | too many | reconciled | differ |",
        "|---|---|---|---|---|---|---|---|", *[_line(row, checked) for row in rows], "",
        f"{total:,} facts over {sum(map(len, at.connections.values()))} connections, read in "
        f"{took:.0f} s; sync accuracy {accuracy:g} %. Tableau and Power BI have the table "
        f"as sent: {'yes' if all(shown.values()) else 'no'}.", "",
    ]  # fmt: skip
    holds = all(row.holds for row in rows) and all(shown.values())
    return lines, holds and len(shown) == 2 and not any(wrong for _, wrong in checked.values())


def _line(row: Row, checked: dict[str, tuple[int, int]]) -> str:
    compared_, wrong = checked[row.vendor]
    cells = (
        row.vendor, row.fact, f"{row.truth:,}", f"{row.synced:,}", row.missing, row.extra,
        f"{compared_:,}", wrong,
    )  # fmt: skip
    return "| " + " | ".join(map(str, cells)) + " |"


PAGE = """# Proof: through nine vendors unchanged

Written by `./run proof sync`. The simulated network's facts are turned into the records of nine
vendors by their stand-ins, read back over HTTP by the connectors with each vendor's own sign-in,
paging and forms, and mapped to facts again. *True rows* are those of the simulated network that the
vendor knows (newest version, not taken back); *missing* and *too many* count rows that differ in
any column of the fact or in the franchise. *Reconciled* counts records of all streams of the vendor
that a full sweep compared with the source afterwards. Simulated vendors and data.

{lines}
Made {day}.
"""


def main(arguments: list[str]) -> int:
    """Exit code: 0 when all rows hold."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--story", action="append", choices=sorted(SIZES), default=[])
    parser.add_argument("--shops", type=int)
    parser.add_argument("--months", type=int)
    parser.add_argument("--whole", action="store_true", help="the thriving network in full size")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    lines, held = [], True
    sizes = {"thriving": WHOLE} if options.whole else SIZES
    for story in options.story or list(sizes):
        shops, months = sizes[story]
        with tempfile.TemporaryDirectory(prefix="sync") as name:
            told, holds = network(
                story, options.shops or shops, options.months or months, Path(name)
            )
        lines += told
        held &= holds
    if options.out:
        day = f"{datetime.now(UTC):%Y-%m-%d}"
        options.out.write_text(PAGE.format(lines="\n".join(lines), day=day), encoding="utf-8")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
