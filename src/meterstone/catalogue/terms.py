"""Checks the terms of a metric: each is an aggregate over a relation and a window."""

from __future__ import annotations

import keyword
from collections.abc import Mapping

from meterstone.catalogue import types
from meterstone.catalogue.model import RawMetric, RawTerm, Relation, Term
from meterstone.catalogue.problems import Problems
from meterstone.catalogue.source import Position
from meterstone.catalogue.sql import (
    Merge,
    check_columns,
    mergeable,
    parse_aggregate,
    parse_value,
)
from meterstone.catalogue.windows import FORMS, Window, parse_window
from meterstone.errors import suggest

RESAMPLE = "_resample"
"""The term that lists the rows of a bootstrap."""

BOUNDS = ("lower", "upper", "weight")
"""A quantile term ``p`` also gives ``p_lower`` and ``p_upper`` (its 95 % bounds) and ``p_weight``
(how much it is based on)."""


TREND = ("falling", "rising", "change", "difference", "on_target")
"""Names that the scale of a trend may use: the test says that its input falls or rises, by how many
percent over the steps, by how much in its own unit, and whether it was on target all the time."""

OF_INPUTS = ("lower", "upper", "n", "decided", "met")
"""What an input gives beside its value: bounds, sample, whether it has a verdict, and met it."""

OF_ESTIMATES = ("lower", "upper")
"""The 95 % bounds of an estimate."""

OF_COUNTED = ("now", "known")
"""Beside in how many periods a rule held: whether in the newest one, and in how many it was
decided."""


def build_terms(
    raw: RawMetric, at: Position, relations: Mapping[str, Relation], problems: Problems
) -> dict[str, Term]:
    """The terms that are sound; what is wrong with the others goes to ``problems``."""
    terms: dict[str, Term] = {}
    for name, written in raw.terms.items():
        with problems.caught():
            _check_name(name, raw, at / "terms" / name)
            terms[name] = _Builder(name, written, raw, at).build(relations)
    if raw.resample:
        with problems.caught():
            terms[RESAMPLE] = _resample(raw, at, relations)
    return terms


def names_of(raw: RawMetric) -> list[str]:
    """The names that the formulas of a metric may use: terms, inputs, what they give beside their
    value, and what its kind gives."""
    trend = TREND if raw.kind == "trend" and not raw.estimates else ()
    given = [
        f"{name}_{part}"
        for names, parts in (
            (raw.inputs, OF_INPUTS), (raw.estimates, OF_ESTIMATES), (raw.counted, OF_COUNTED),
        )
        for name in names
        for part in parts
    ]  # fmt: skip
    return [
        *raw.terms, *bound_names(raw), *raw.inputs, *raw.estimates, *raw.counted, *given, *trend,
    ]  # fmt: skip


def bound_names(raw: RawMetric) -> list[str]:
    """Names that the quantile terms give beside their own."""
    return [f"{name}_{bound}" for name in quantile_terms(raw) for bound in BOUNDS]


def quantile_terms(raw: RawMetric) -> list[str]:
    """Names of the terms that are quantiles."""
    return [n for n, term in raw.terms.items() if isinstance(term, RawTerm) and term.quantile_of]


def check_window(text: str, at: Position) -> Window:
    """A window from its words.

    Raises:
        CatalogueError: other words.
    """
    try:
        return parse_window(text)
    except ValueError as error:
        raise at.error(str(error), "write one of: " + "; ".join(FORMS)) from None


def _check_name(name: str, raw: RawMetric, at: Position) -> None:
    if not (name.isidentifier() and name.isascii()) or keyword.iskeyword(name):
        raise at.error(
            f"{name!r} cannot be used in a formula",
            "write letters, digits and _; no Python keyword",
        )
    if name in raw.inputs:
        raise at.error(f"{name!r} is a term and an input", "rename the term")
    if name in raw.estimates or name in raw.counted:
        raise at.error(f"{name!r} is a term and an estimate", "rename the term")
    if name in bound_names(raw):
        raise at.error(f"{name!r} is given by the quantile term of that name", "rename the term")


def _resample(raw: RawMetric, at: Position, relations: Mapping[str, Relation]) -> Term:
    """The rows that a bootstrap draws from: ``resample`` is a value of one row."""
    relation = _relation(raw.source, at, relations)
    with (at / "resample").reading_text():
        value = parse_value(raw.resample or "")
        check_columns(value, relation.name, relation.readable)
        types.check_number(value, relation.types)
    return Term(
        name=RESAMPLE,
        relation=relation.name,
        agg=f"list({raw.resample})",
        quantile_of=None,
        q=raw.q or 0.5,
        weight=None,
        where=None,
        window=raw.window,
        shift=None,
        mergeable=False,
    )


class _Builder:
    """Checks one term."""

    def __init__(self, name: str, written: str | RawTerm, metric: RawMetric, at: Position) -> None:
        self._name = name
        self._raw = RawTerm(agg=written) if isinstance(written, str) else written
        self._metric = metric
        self._metric_at = at
        self._at = at / "terms" / name
        self._agg_at = self._at if isinstance(written, str) else self._at / "agg"

    def build(self, relations: Mapping[str, Relation]) -> Term:
        raw = self._raw
        owner = self._at if raw.source else self._metric_at
        relation = _relation(raw.source or self._metric.source, owner, relations)
        window = raw.window or self._metric.window
        self._check_form()
        merge, kind = self._aggregate(relation)
        for key in ("quantile_of", "where", "weight"):
            self._check_value(key, relation)
        self._check_rollup(relation)
        self._check_window(window, relation)
        return Term(
            name=self._name,
            relation=relation.name,
            agg=raw.agg,
            quantile_of=raw.quantile_of,
            q=raw.q or self._metric.q or 0.5,
            weight=raw.weight,
            where=raw.where,
            window=window,
            shift=raw.shift,
            mergeable=merge is not None or raw.quantile_of is not None,
            merge=merge or "sum",
            is_text=kind == "text",
        )

    def _check_form(self) -> None:
        raw = self._raw
        if (raw.agg is None) == (raw.quantile_of is None):
            raise self._at.error(
                f"term {self._name!r} needs one of `agg` and `quantile_of`",
                "write `agg: sum(amount)`, or `quantile_of: duration_ms` with `q: 0.95`",
            )
        for key in ("q", "weight"):
            if raw.agg is not None and getattr(raw, key) is not None:
                raise (self._at / key).error(
                    f"`{key}` belongs to `quantile_of`", "remove it, or write `quantile_of:`"
                )

    def _check_window(self, text: str, relation: Relation) -> None:
        at = (self._at if self._raw.window else self._metric_at) / "window"
        window = check_window(text, at)
        if window.kind == "instant" and relation.over != "moment":
            raise at.error(
                f"an instant has no length, and {relation.name!r} is over {relation.over}",
                "write a window with a length, or read a relation that is `over: moment`",
            )
        if self._raw.shift and window.kind in ("instant", "all"):
            raise (self._at / "shift").error(
                f"window {text!r} cannot be shifted", "write a trailing or calendar window"
            )

    def _aggregate(self, relation: Relation) -> tuple[Merge | None, types.Kind]:
        """How the aggregate merges, and what kind of value it gives."""
        if self._raw.agg is None:
            return None, "number"
        with self._agg_at.reading_text():
            aggregate = parse_aggregate(self._raw.agg)
            check_columns(aggregate, relation.name, relation.readable)
            kind = types.check_aggregate(aggregate, relation.types)
        return None if kind == "text" else mergeable(aggregate), kind

    def _check_value(self, key: str, relation: Relation) -> None:
        text = getattr(self._raw, key)
        if text is None:
            return
        hidden = relation.columns if key == "quantile_of" and relation.rollup else frozenset()
        check = types.check_condition if key == "where" else types.check_number
        with (self._at / key).reading_text():
            value = parse_value(text)
            check_columns(value, relation.name, relation.readable | hidden)
            check(value, relation.types)

    def _check_rollup(self, relation: Relation) -> None:
        """The histogram of a rollup is kept for its one value only."""
        value = self._raw.quantile_of
        if value is None or relation.rollup is None:
            return
        kept = sorted(relation.columns - relation.readable)
        if value not in kept:
            raise (self._at / "quantile_of").error(
                f"rollup {relation.name!r} keeps a histogram of {', '.join(kept)} only",
                f"write `quantile_of: {kept[0]}`, or read a relation with `sql:`",
            )


def _relation(name: str | None, at: Position, relations: Mapping[str, Relation]) -> Relation:
    if name is None:
        raise at.error("the terms have no `from`", "add `from:` with a fact or relation")
    if name not in relations:
        raise (at / "from").error(
            f"unknown fact or relation {name!r}", suggest(name, list(relations))
        )
    return relations[name]
