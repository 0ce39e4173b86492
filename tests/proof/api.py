"""Proof: the API does what its document says, whoever asks.

    python tests/proof/api.py --valid 20 --broken 10

schemathesis makes requests from the OpenAPI document of a house that is served whole (guard,
limits, cache) over a measured, simulated network: for every role, each operation is asked with
what its document allows and with what it forbids; every second request names things that there
are, since one that is made up leads to 404 alone. The owner owns one shop; a last round asks as
that owner for all the others' by their right names. Strangers ask everything too.

Exits with 1 when an answer is a server error, has a status or media type that the document does not
name, does not fit its schema, or when an owner or a stranger is answered what is not theirs.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from starlette.testclient import TestClient

from meterstone.app import Home
from meterstone.measure.results import Scope
from meterstone.people.rights import Role
from meterstone.record.ingest import ingest
from meterstone.sandbox.network import preset, simulate
from schemas import Told, bearer_of, judged
from whole import House, house_of

NETWORK = Scope("network")
OTHERS = "/api/v1/franchises/{}/{}"


@contextmanager
def measured(given: Path | None) -> Iterator[House]:
    """The house of a copy of a measured home, or of a small network that is simulated."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "home")
        if given:
            shutil.copytree(given, home)
        with Home(home) as opened:
            if not given:
                made = simulate(preset("honest", shops=9, months=1), Path(folder, "network"))
                ingest(opened.recorder, [str(path) for path in made.files])
            if not opened.board.days(NETWORK):
                opened.evaluator.run_once()
            print(f"measured after {time.monotonic() - began:.0f} s", flush=True)
            yield house_of(opened)


def things(house: House) -> Mapping[str, Sequence[str]]:
    """What there is, by the name of the parameter that names it."""
    board = house.home.board
    return {
        "franchise": [named.scope.key for named in board.scopes("franchise")],
        "integration": [named.scope.key for named in board.scopes("integration")],
        "metric": list(board.catalogue.metrics),
        "gate": list(board.catalogue.gates),
        "key": ["*", *(named.scope.key for named in board.scopes("franchise"))],
    }


def others_shut(house: House, own: str, shops: Sequence[str]) -> tuple[int, list[str]]:
    """An owner asks for the shops of others: how often, and what was answered that must not be."""
    client = TestClient(house.app, raise_server_exceptions=False)
    headers, asked, open_ = bearer_of(house, Role.OWNER, [own]), 0, []
    metric = next(iter(house.home.board.catalogue.metrics))
    for shop in shops:
        for what in ("scorecard", "metrics", "revisions", f"metrics/{metric}",
                     f"metrics/{metric}/history"):  # fmt: skip
            path = OTHERS.format(shop, what)
            allowed = client.get(path, headers=headers).status_code < 400
            asked += 1
            if allowed is not (shop == own):
                open_.append(f"{path} is {'open' if allowed else 'shut'} for the owner of {own}")
    return asked, open_


def strangers_shut(house: House) -> tuple[int, list[str]]:
    """A stranger asks every operation of the API."""
    client = TestClient(house.app, raise_server_exceptions=False)
    operations = [(m, path) for m, path in house.routes if path.startswith("/api/")]
    answers = {
        f"{method} {path}": client.request(method, path).status_code for method, path in operations
    }
    return len(answers), [f"{name}: {status}" for name, status in answers.items() if status != 401]


def main() -> int:
    """Exit code: 0 when it holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--valid", type=int, default=20, help="of each operation and role")
    parser.add_argument("--broken", type=int, default=10, help="of each operation and role")
    parser.add_argument("--home", type=Path, help="a measured home, which is copied")
    parser.add_argument("--out", type=Path, help="where the page is written")
    given = parser.parse_args()
    began = time.monotonic()
    wrong: list[str] = []
    rows, reached = [], set[str]()
    with measured(given.home) as house:
        known = things(house)
        own = known["franchise"][0]
        for role in Role:
            headers = bearer_of(house, role, [own])
            valid = judged(house, headers, given.valid, known=known)
            broken = judged(house, headers, given.broken, valid=False, known=known)
            wrong += [f"{role}: {each}" for told in (valid, broken) for each in told.failures]
            reached |= valid.reached
            rows.append(_row(role, valid, broken))
            print(rows[-1], flush=True)
        operations = valid.operations
        idor, open_ = others_shut(house, own, known["franchise"])
        stranger, let_in = strangers_shut(house)
    wrong += open_ + let_in
    lines = [
        *_head(), *rows, "",
        f"- Each operation and role: {given.valid} requests that keep to the document, at most "
        f"{given.broken} that break it.",
        f"- {operations} operations; {len(reached)} of them answered 2xx to at least one of the "
        "requests; the others, which mostly need things that are not there (an incident, a "
        "report, an endpoint of their own), with problem details alone: of their good answers "
        "this says nothing.",
        f"- The owner of one shop asked for {len(known['franchise'])} shops by name, {idor} "
        f"requests: {len(open_)} answered otherwise than they should be.",
        f"- A stranger asked all {stranger} operations: {len(let_in)} not answered 401.",
        f"- {time.monotonic() - began:.0f} s, Python {platform.python_version()}, "
        f"{datetime.now(UTC):%Y-%m-%d}.",
        "", f"Holds: **{'no' if wrong else 'yes'}**", *(f"- {each}" for each in wrong[:20]),
    ]  # fmt: skip
    if given.out:
        given.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(wrong[:20]) or "holds")
    return 1 if wrong else 0


def _row(role: Role, valid: Told, broken: Told) -> str:
    statuses = valid.statuses + broken.statuses
    told = ", ".join(f"{status}: {statuses[status]:,}" for status in sorted(statuses))
    errors = sum(number for status, number in statuses.items() if status >= 500)
    failures = len(valid.failures) + len(broken.failures)
    return (
        f"| {role} | {valid.statuses.total():,} | {broken.statuses.total():,} | {errors} | "
        f"{failures} | {told} |"
    )


def _head() -> list[str]:
    text = (__doc__ or "").split("\n\n")
    return [
        f"# {text[0]}", "", "`./run proof api` (`tests/proof/api.py`)", "", text[2], "",
        "| role | requests that keep to the document | that break it | server errors | "
        "answers that break the document | answers by status |",
        "|---|---|---|---|---|---|",
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
