"""Proof: a definition that is broken is noticed.

    ./run proof mutations --folder /tmp/networks

Breaks every metric of the framework in every way below, measures it on the simulated networks and
on the worked examples (tests/worked), and compares with what is true as the tests do. A mutant is
caught when anything differs: value, sample size, verdict at a place, or interval. A mutant that
changes nothing anywhere survives.

- *drop a filter*: of a term (``where``, ``filter``) that is more than shown, else one condition of
  the relation it reads;
- *swap*: numerator and denominator; else the value is turned round (1/x), a scale is reversed, a
  rule asks for the contrary;
- *shift*: everything is measured a day earlier.

Prints and writes a table; exits with 1 when the share caught is below ``--least``.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import msgspec
import numpy as np
import sqlglot
from sqlglot import exp

from meterstone.app import Home
from meterstone.catalogue import Catalogue, Metric, Relation, Term
from meterstone.catalogue.formula import Formula
from meterstone.errors import MeterstoneError
from meterstone.measure.results import MetricResult
from meterstone.measure.service import Measuring, Subject
from sandbox.conftest import Network, network_in
from sandbox.truth import compare
from worked import Example, differences, examples, home_of

_FILTER = re.compile(r"\s*filter\s*\(\s*where\s", re.IGNORECASE)
_OPPOSITE = {">=": "<", ">": "<=", "<": ">=", "<=": ">", "==": "!=", "at_least": "at_least"}


@dataclass(frozen=True)
class Mutant:
    """A catalogue with one definition broken."""

    metric: str
    way: str
    what: str
    catalogue: Catalogue
    days: int = 0


def mutants(catalogue: Catalogue, metric: Metric) -> Iterator[Mutant]:
    """All mutants of a metric."""
    found = list(_without_filters(catalogue, metric)) or list(_relations(catalogue, metric))
    yield from found
    yield from _swapped(catalogue, metric)
    yield Mutant(metric.id, "shift", "measured a day earlier", catalogue, days=-1)


def _with(catalogue: Catalogue, metric: Metric) -> Catalogue:
    return replace(catalogue, metrics={**catalogue.metrics, metric.id: metric})


def _without_filters(catalogue: Catalogue, metric: Metric) -> Iterator[Mutant]:
    judged = _judged(metric)
    for name, term in metric.terms.items():
        for what, changed in _terms(term) if name in judged else ():
            broken = replace(metric, terms={**metric.terms, name: changed})
            yield Mutant(metric.id, "drop a filter", f"{name}: {what}", _with(catalogue, broken))


def _judged(metric: Metric) -> frozenset[str]:
    """Terms that the value, its sample or its verdict rest on; others are only shown beside it."""
    alone = replace(metric, shown={})
    told = {name.partition("_lower")[0].partition("_upper")[0] for name in alone.formula_names()}
    places = (f.names for place in metric.places for f in (place.value, place.sample) if f)
    more = frozenset(metric.terms) if metric.raw.hook or metric.raw.rule else frozenset()
    return frozenset().union(alone.formula_names(), told, more, *places)


def _terms(term: Term) -> Iterator[tuple[str, Term]]:
    if term.where:
        yield f"without {term.where}", replace(term, where=None)
    if term.agg and _FILTER.search(term.agg):
        tree = sqlglot.parse_one(term.agg, read="duckdb")
        plain = tree.transform(lambda node: node.this if isinstance(node, exp.Filter) else node)
        yield "without its filter", replace(term, agg=plain.sql("duckdb"))


def _relations(catalogue: Catalogue, metric: Metric) -> Iterator[Mutant]:
    """Relations of the metric's own value without one of their conditions."""
    names = dict.fromkeys(term.relation for term in metric.terms.values())
    for name in names:
        relation = catalogue.relations[name]
        for what, changed in _conditions(relation):
            relations = {**catalogue.relations, name: changed}
            yield Mutant(
                metric.id,
                "drop a filter",
                f"{name} {what}",
                replace(catalogue, relations=relations),
            )


def _conditions(relation: Relation) -> Iterator[tuple[str, Relation]]:
    if relation.where:
        yield f"without {relation.where}", replace(relation, where=None)
    if not relation.sql or relation.materialize:
        return  # what is stored by day would have to be made anew
    sql = relation.sql.replace("$start", "'@start'").replace("$end", "'@end'")
    tree = sqlglot.parse_one(sql, read="duckdb")
    for index, _where in enumerate(tree.find_all(exp.Where)):
        kept = tree.copy()
        node = list(kept.find_all(exp.Where))[index]
        if "@" in node.sql():
            continue  # a range of time keeps the query small; `shift` is about time
        told = node.this.sql("duckdb")
        node.pop()
        text = kept.sql("duckdb").replace("'@start'", "$start").replace("'@end'", "$end")
        yield f"without {told}", replace(relation, sql=text)


def _swapped(catalogue: Catalogue, metric: Metric) -> Iterator[Mutant]:
    raw = metric.raw
    if metric.scale:
        levels = [level.level for level in metric.scale]
        scale = tuple(
            replace(level, level=word)
            for level, word in zip(metric.scale, reversed(levels), strict=True)
        )
        yield Mutant(
            metric.id, "swap", "scale reversed", _with(catalogue, replace(metric, scale=scale))
        )
    elif metric.numerator and metric.denominator:
        value = _turned(metric.value, metric)
        swapped = replace(
            metric, value=value, numerator=metric.denominator, denominator=metric.numerator
        )
        yield Mutant(metric.id, "swap", "numerator and denominator", _with(catalogue, swapped))
    elif raw.rule:
        rule = _contrary(raw.rule)
        changed = replace(metric, raw=msgspec.structs.replace(raw, rule=rule))
        yield Mutant(metric.id, "swap", "the rule's contrary", _with(catalogue, changed))
    elif raw.schedule:
        late = [
            msgspec.structs.replace(s, report="deep_dive" if s.report != "deep_dive" else "live")
            for s in raw.schedule
        ]
        changed = replace(metric, raw=msgspec.structs.replace(raw, schedule=late))
        yield Mutant(metric.id, "swap", "another report", _with(catalogue, changed))
    elif raw.hook:
        terms = dict(zip(metric.terms, reversed(metric.terms.values()), strict=True))
        yield Mutant(
            metric.id, "swap", "terms reversed", _with(catalogue, replace(metric, terms=terms))
        )
    elif metric.value and metric.lower and "within" in raw.target.cmp:
        turned = replace(metric, lower=metric.upper, upper=metric.lower)
        yield Mutant(metric.id, "swap", "bounds exchanged", _with(catalogue, turned))
    elif metric.value:
        turned = replace(metric, value=_turned(metric.value, metric))
        yield Mutant(metric.id, "swap", "value turned round", _with(catalogue, turned))


def _turned(value: Formula | None, metric: Metric) -> Formula | None:
    """1 / x, in the scale of the value (100 for per cent)."""
    if value is None:
        return None
    size = 10_000 if metric.raw.unit.startswith("%") else 1
    return _Turned(value, size)  # type: ignore[return-value]  # called like one


@dataclass(frozen=True)
class _Turned:
    inner: Formula
    size: float

    @property
    def names(self) -> frozenset[str]:
        return self.inner.names

    def __call__(self, terms: Mapping[str, Any]) -> Any:
        with np.errstate(all="ignore"):
            return self.size / np.asarray(self.inner(terms), dtype=float)


def _contrary(rule: Mapping[str, Any]) -> dict[str, Any]:
    """The first condition of a rule asks for the contrary."""
    changed = dict(rule)
    for word in ("all", "any"):
        if word in changed:
            first, *rest = changed[word]
            return changed | {word: [_contrary(first), *rest]}
    if "verdict" in changed:
        return changed | {"verdict": "not_met" if changed["verdict"] == "met" else "met"}
    if "cmp" in changed:
        return changed | {"cmp": _OPPOSITE.get(changed["cmp"], "<")}
    return changed | {"cmp": "<", "value": 1}


Differs = Callable[[Mutant, list[MetricResult]], bool]


@dataclass(frozen=True)
class Ground:
    """A home in which a mutant is measured, and how its results are held against what is true."""

    name: str
    home: Home
    at: datetime
    knows: Callable[[str], bool]
    differs: Differs


def grounds(networks: list[Network], folder: Path) -> Iterator[Ground]:
    """The worked examples, which are small, and then the networks."""
    for number, example in enumerate(examples().values()):
        yield Ground(
            example.name, home_of(example, folder / str(number)), example.at,
            example.expect.__contains__, partial(_by_example, example),
        )  # fmt: skip
    for found in networks:
        yield Ground(
            found.story, found.home, found.at, lambda _metric: True, partial(_by_network, found)
        )


def _by_example(example: Example, mutant: Mutant, results: list[MetricResult]) -> bool:
    return any(differences(example, mutant.metric, results))


def _by_network(found: Network, mutant: Mutant, results: list[MetricResult]) -> bool:
    return bool(compare(found, results, [mutant.metric], mutant.catalogue))


def caught(mutant: Mutant, where: list[Ground]) -> str:
    """Where the mutant differs from what is true; empty where nowhere."""
    for ground in where:
        if not ground.knows(mutant.metric):
            continue
        subject = Subject(ground.home.warehouse, ground.home.subject.vocabulary, mutant.catalogue)
        at = ground.at + timedelta(days=mutant.days)
        try:
            results = Measuring(subject, at, None).of([mutant.metric])
        except (MeterstoneError, ValueError, KeyError) as error:
            return f"{ground.name} ({type(error).__name__})"
        if ground.differs(mutant, results):
            return ground.name
    return ""


def main() -> int:
    """Exit code: 0 when enough mutants are caught."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="where networks are kept")
    parser.add_argument("--least", type=float, default=100.0, help="per cent to be caught")
    parser.add_argument("--metrics", nargs="*", help="ids; default: all")
    parser.add_argument("--stories", nargs="*", default=["honest", "struggling", "thriving"])
    parser.add_argument("--out", type=Path, help="where the table is written")
    given = parser.parse_args()
    networks = [network_in(given.folder, story) for story in given.stories]
    where_to_look = list(grounds(networks, Path(mkdtemp(dir=given.folder))))
    catalogue = where_to_look[0].home.catalogue
    chosen = given.metrics or list(catalogue.metrics)
    began, rows = time.monotonic(), []
    for id_ in chosen:
        for mutant in mutants(catalogue, catalogue.metrics[id_]):
            where = caught(mutant, where_to_look)
            rows.append((mutant, where))
            if not where:
                print(f"survived: {id_} · {mutant.way} · {mutant.what}", flush=True)
    share = 100 * sum(bool(where) for _, where in rows) / len(rows)
    whole = {id_: all(w for m, w in rows if m.metric == id_) for id_ in chosen}
    text = (
        f"{len(rows)} mutants of {len(chosen)} metrics, {share:.1f} % caught; "
        f"{sum(whole.values())} metrics with every mutant caught; {time.monotonic() - began:.0f} s"
    )
    print(text)
    if given.out:
        given.out.write_text(report(text, rows), encoding="utf-8")
    for ground in where_to_look:
        ground.home.close()
    return int(share < given.least)


def report(summary: str, rows: list[tuple[Mutant, str]]) -> str:
    """The page: the share by way, and every survivor."""
    ways = dict.fromkeys(mutant.way for mutant, _ in rows)
    lines = [
        "# Proof: a broken definition is noticed",
        "",
        (__doc__ or "").split("\n\n", 2)[2].split("Prints")[0].strip(),
        "",
        summary,
        "",
        "| way | mutants | caught |",
        "|---|---|---|",
    ]
    for way in ways:
        of = [bool(where) for mutant, where in rows if mutant.way == way]
        lines.append(f"| {way} | {len(of)} | {100 * sum(of) / len(of):.1f} % |")
    lines += ["", "## Survivors", ""]
    lines += [
        f"- `{m.metric}`, {m.way}: {' '.join(m.what.split())}" for m, where in rows if not where
    ] or ["None."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
