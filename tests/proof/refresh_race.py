"""Proof: many syncs on one connection renew its token once an expiry, and no family dies.

    python tests/proof/refresh_race.py --processes 5 --threads 10 --renewals 20

A real OpenID provider (oidc-provider, tests/oidc) gives access tokens that live five seconds,
rotates refresh tokens, and takes the second use of one for theft: it revokes the whole family, and
the connection would be broken. Fifty syncs in five processes call it side by side with one
connection, each as a client does: credential on, call, and once more with a newer token where it
was refused. They share nothing but the ledger. It ends when the wanted number of tokens was used.

Prints a table; exits with 1 when a renewal is not followed by exactly one stored token, a family
was revoked, a refresh was refused, or a call did not go through.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from meterstone.ledger import Ledger
from oidc.judge import judge
from oidc.race import access, race, sign_in

_REDIRECT = "http://127.0.0.1:8766/oauth/callback/judge"
ZERO = ("families revoked", "token requests refused", "calls that did not go through")


def prove(
    folder: Path, processes: int, threads: int, renewals: int, lifetime_s: int
) -> dict[str, object]:
    """The figures."""
    with judge(redirect_uris=[_REDIRECT], access_s=lifetime_s) as provider:
        with Ledger.open(folder) as ledger:
            hub = access(ledger, provider.url)
            connection = hub.callback(sign_in(hub, _REDIRECT)).id
        raced = race(
            folder, provider.url, connection,
            processes=processes, threads=threads, until=renewals + 1, pause_s=0.25,
        )  # fmt: skip
        happened = provider.happened()
        with Ledger.open(folder) as ledger:
            report = ledger.audit.verify()
            with ledger.read() as seen:
                status = seen.connections.get(connection).status
    return {
        "syncs side by side": processes * threads,
        "calls": sum(raced.statuses.values()),
        "calls that did not go through": sum(raced.statuses.values()) - raced.statuses[200],
        "calls refused once, then renewed": raced.retried,
        "renewals at the provider": happened["refreshed"],
        "tokens stored after the first": raced.version - 1,
        "token requests refused": len(happened["refused"]),
        "families revoked": happened["families_revoked"],
        "connection in the end": status,
        "audit log holds": report.holds,
        "seconds": round(raced.seconds, 1),
        "seconds a token": round(raced.seconds / max(raced.version - 1, 1), 2),
        "longest call, s": round(raced.longest_s, 2),
    }


def page(rows: Mapping[str, object], options: argparse.Namespace) -> str:
    """The page of docs/proofs."""
    table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    text = (__doc__ or "").replace("``", "`")
    lead, _, rest = text.partition(".\n\n    python")
    what = rest.partition("\n\n")[2].partition("\n\nPrints")[0]
    return f"""# {lead}

`./run proof refresh` (`tests/proof/refresh_race.py --processes {options.processes} \
--threads {options.threads} --renewals {options.renewals}`)

{what}

Run on {datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}, 2 cores that others used
too; tokens of {options.lifetime_s} s, a quarter of a second between two calls of a sync.

| what | figure |
|---|---|
{table}

- *seconds a token*: a token is renewed when a fifth of its life is left, here after
  {0.8 * options.lifetime_s:g} s; what is beyond that is the pause until the next call.
- *longest call*: with all that it waited for: lease, renewal, provider, machine.
- What a process that dies between the vendor's answer and the store leaves behind is no part of
  this: `tests/connect/auth/test_tokens.py` shows it (the next one asks again; where the vendor has
  used the token up, the connection is broken with that reason, because nobody has the new one).

`tests/oidc/test_provider.py` runs it in small.
"""


def main() -> int:
    """Exit code: 0 when it holds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--processes", type=int, default=5)
    parser.add_argument("--threads", type=int, default=10)
    parser.add_argument("--renewals", type=int, default=20)
    parser.add_argument("--lifetime-s", type=int, default=5)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="refresh") as folder:
        rows = prove(
            Path(folder), options.processes, options.threads, options.renewals, options.lifetime_s
        )
    for name, value in rows.items():
        print(f"| {name} | {value} |")
    once = rows["renewals at the provider"] == rows["tokens stored after the first"]
    kept = (
        once
        and rows["tokens stored after the first"] == options.renewals
        and rows["connection in the end"] == "active"
        and rows["audit log holds"] is True
        and not any(rows[name] for name in ZERO)
    )
    if kept and options.out:
        options.out.write_text(page(rows, options), encoding="utf-8")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
