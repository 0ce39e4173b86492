"""Proof: every metric on every simulated network, truth beside what was measured.

    ./run proof truth --folder /tmp/networks

Exits with 1 when anything measured differs from the truth, or a target has no truth.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from meterstone.catalogue import Metric, Place
from meterstone.measure.evaluate import is_at
from meterstone.measure.results import MetricResult, Scope
from meterstone.scorecard import format_interval, format_target, format_value
from sandbox.conftest import Network, network_in
from sandbox.truth import compare, verdict_of

STORIES = ("thriving", "struggling", "honest", "quiet")

HEAD = """\
# Proof: measured and true

Written by `./run proof truth`. All data here are simulated: `meterstone simulate` makes a network
from a seed and knows what really happened in it; its facts are ingested and measured like any
others, and the result is held against the truth ([the simulator](../simulator.md)). A value is
equal to it, or its 95 % interval contains it; the verdict is the one that the truth gives. Measured
at 1 October 2026, 00:00 UTC.
"""


def main() -> int:
    """Exit code: 0 when nothing differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="where networks are kept")
    parser.add_argument("--stories", nargs="*", default=list(STORIES))
    parser.add_argument("--out", type=Path, help="where the page is written")
    given = parser.parse_args()
    networks = [network_in(given.folder, story) for story in given.stories]
    lines, wrong = [HEAD], []
    lines += summary(networks)
    for found in networks:
        ids = list(found.home.catalogue.metrics)
        if found.story != "quiet":
            wrong += compare(found, found.results(), ids, found.home.catalogue)
    for found in networks:
        lines += table(found)
    print(*wrong, sep="\n")
    print(f"{len(wrong)} differences")
    if given.out:
        given.out.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    for found in networks:
        found.home.close()
    return int(bool(wrong))


def judged(found: Network) -> Iterator[tuple[Metric, Place, MetricResult | None]]:
    """Every place of the framework with its result, in the framework's order."""
    results = {(r.id, r.scope): r for r in found.results()}
    for metric, place in found.home.catalogue.by_ref().values():
        at = [scope for id_, scope in results if id_ == metric.id and is_at(place, metric, scope)]
        yield metric, place, results.get((metric.id, at[0])) if at else None


def verdict_at(place: Place, result: MetricResult | None) -> str:
    """The verdict of a place; no_data where nothing was measured."""
    told = [p.verdict for p in result.places if p.ref == place.ref] if result else []
    return told[0] if told else "no_data"


def value_at(place: Place, result: MetricResult | None) -> Any:
    """The value of a place: its own where it has one, else the metric's."""
    if result is None:
        return None
    own = [p.own for p in result.places if p.ref == place.ref and p.own]
    return own[0][0] if own else result.value


def summary(networks: list[Network]) -> list[str]:
    """Verdicts at all places, a line a network."""
    counts = {n.story: Counter(verdict_at(p, r) for _, p, r in judged(n)) for n in networks}
    words = sorted({word for count in counts.values() for word in count})
    rows = [
        f"| {story} | " + " | ".join(str(count[word] or "") for word in words) + " |"
        for story, count in counts.items()
    ]
    return [f"| network | {' | '.join(words)} |", "|---" * (len(words) + 1) + "|", *rows, ""]


def table(found: Network) -> list[str]:
    """Truth, measured value and both verdicts of every place."""
    truths = {(t["metric"], t["scope"], t["key"], t["place"]): t for t in found.truth["metrics"]}
    lines = [
        f"## {found.story}", "",
        "| target | truth | measured | 95 % | asked | verdict by truth | verdict |",
        "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for metric, place, result in judged(found):
        scope = result.scope if result else Scope("network")
        at = (metric.id, scope.kind, scope.key)
        truth = truths.get((*at, place.ref), truths.get((*at, None)))
        unit = metric.raw.unit
        cells = [
            place.ref,
            _shown(truth["value"], unit) if truth else "",
            _shown(value_at(place, result), unit),
            format_interval(result.interval, unit) if result and result.interval else "",
            format_target(place.target.as_dict()),
            (verdict_of(truth, metric, place) or "") if truth else "",
            verdict_at(place, result),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return [*lines, ""]


def _shown(value: Any, unit: str) -> str:
    return format_value(value, unit)


if __name__ == "__main__":
    sys.exit(main())
