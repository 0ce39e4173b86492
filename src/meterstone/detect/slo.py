"""Objectives and alert rules as they are written in YAML, and as they are checked.

counters:   what is counted of which fact: all events and the good ones, by a column
slos:       an objective over a counter (or a metric of the catalogue), with its paces
rules:      what alarms within seconds, and on daily values
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from meterstone.catalogue import Catalogue
from meterstone.catalogue.convert import convert
from meterstone.catalogue.problems import ExpressionError, Problems
from meterstone.catalogue.source import Document, Position, read_yaml
from meterstone.catalogue.sql import check_columns, parse_value
from meterstone.detect.windows import PACES, Pace, Severity
from meterstone.errors import suggest
from meterstone.facts import FactSchema, vocabulary

Kind = Literal["error", "availability", "performance", "data", "capacity", "security"]
Share = Annotated[float, msgspec.Meta(gt=0, le=1)]
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|h|d)")
_P95 = 0.95
_WITHIN = re.compile(r"duration_ms\s*<=\s*(\d+(?:\.\d+)?)")
_UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86400}


class _Raw(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """As written in YAML; an unknown key is an error."""


class Counter(_Raw, frozen=True, kw_only=True):
    """What is counted: ``total`` of each row of a fact that ``where`` lets through, and of it what
    is ``good`` (a condition), or what is ``bad`` (a number). ``by``: one count for each value."""

    fact: str
    where: str = "true"
    total: str = "1"
    good: str | None = None
    bad: str | None = None
    impossible: str = "false"
    by: str = "integration"


class RawPace(_Raw, frozen=True, kw_only=True):
    """A share of the budget, in per cent, spent within a window."""

    share: Annotated[float, msgspec.Meta(gt=0, le=100)]
    within: str
    severity: Severity


class Words(_Raw, frozen=True, kw_only=True):
    """What an alert says: what it means, and what to do. ``{name}``, ``{value}``, ``{limit}``,
    ``{window}`` are filled in."""

    means: str
    next: str


class RawSlo(_Raw, frozen=True, kw_only=True):
    """A service level objective as written: over a ``counter``, or a ratio or quantile ``metric``
    of the catalogue. Over a metric each day is one event, good where its target was met."""

    slo: str
    title: str
    counter: str | None = None
    metric: str | None = None
    objective: Annotated[float, msgspec.Meta(gt=0, lt=100)]
    period: str = "30d"
    kind: Kind = "error"
    least_bad: Annotated[int, msgspec.Meta(ge=1)] = 5
    paces: list[RawPace] = []
    says: Words


class RawRule(_Raw, frozen=True, kw_only=True):
    """An alert rule as written.

    ``share``: of the events of a counter within ``over``, at least ``least`` and more than
    ``limit`` (0 to 1) were bad. ``absent``: no run for ``times`` its schedule. ``impossible``:
    telemetry that contradicts itself. ``down``, ``broken``, ``webhooks``: what the hub itself
    knows. ``below``, ``above``, ``control``: of the daily values of a ``metric``.
    """

    rule: str
    title: str
    type: Literal[
        "share", "absent", "impossible", "down", "broken", "webhooks", "below", "above", "control"
    ]
    counter: str | None = None
    metric: str | None = None
    over: str = "1min"
    least: Annotated[int, msgspec.Meta(ge=1)] = 3
    limit: float | None = None
    times: Annotated[float, msgspec.Meta(gt=0)] = 3
    after: str = "0s"
    lasting: str = "0s"
    clear: str = "20s"
    kind: Kind
    severity: Severity
    says: Words


class RawFile(_Raw, frozen=True, kw_only=True):
    """A file of definitions."""

    counters: dict[str, Any] = {}
    slos: list[Any] = []
    rules: list[Any] = []


@dataclass(frozen=True, slots=True)
class Slo:
    """A checked objective. ``objective`` is a share, 0 to 1."""

    raw: RawSlo
    objective: float
    period: timedelta
    paces: tuple[Pace, ...]

    @property
    def id(self) -> str:
        """Its id."""
        return self.raw.slo

    @property
    def counter(self) -> str:
        """The name of what it counts."""
        return self.raw.counter or f"metric:{self.raw.metric}"


@dataclass(frozen=True, slots=True)
class Rule:
    """A checked rule; times in seconds."""

    raw: RawRule
    over_s: float
    after_s: float
    lasting_s: float
    clear_s: float

    @property
    def id(self) -> str:
        """Its id."""
        return self.raw.rule


@dataclass(frozen=True, slots=True)
class Definitions:
    """All counters, objectives and rules of a home."""

    counters: Mapping[str, Counter]
    slos: tuple[Slo, ...]
    rules: tuple[Rule, ...]

    @property
    def answers_within_ms(self) -> float | None:
        """The target of the p95 of requests that we serve: of the objective that 95 % of them are
        answered within so long. None: there is no such objective."""
        for slo in self.slos:
            counter = self.counters.get(slo.counter)
            if counter is None or counter.fact != "api_request" or slo.objective != _P95:
                continue
            limit = _WITHIN.fullmatch((counter.good or "").strip())
            if limit and "inbound" in counter.where:
                return float(limit[1])
        return None


def duration(text: str) -> timedelta:
    """A duration as it is written: ``30s``, ``5min``, ``6h``, ``30d``.

    Raises:
        ExpressionError: it is none.
    """
    found = _DURATION.fullmatch(text.strip())
    if found is None or float(found[1]) * _UNITS[found[2]] > 400 * 86400:
        raise ExpressionError(f"{text!r} is no duration", "write it as 30s, 5min, 6h or 30d")
    return timedelta(seconds=float(found[1]) * _UNITS[found[2]])


def default_path() -> Path:
    """The definitions that ship with the program."""
    return Path(str(files("meterstone.detect").joinpath("definitions", "default.yaml")))


def load_of_home(home: Path, catalogue: Callable[[], Catalogue]) -> Definitions:
    """The definitions of a home: its own ``alerts.yaml``, else the default ones. Of those, what is
    over a metric that the home does not have never finds anything.

    Args:
        home: its folder.
        catalogue: asked for own definitions alone: reading it takes seconds.

    Raises:
        CatalogueError: see `load`.
    """
    own = home / "alerts.yaml"
    return load(own, catalogue()) if own.exists() else load(default_path())


def load(path: Path, catalogue: Catalogue | None = None) -> Definitions:
    """Read and check definitions.

    Args:
        catalogue: where metrics of objectives and rules are; None leaves them unchecked.

    Raises:
        CatalogueError: with file, line, cause and mend; all that are independent together.
    """
    return _Reader(read_yaml(path), catalogue).read()


class _Reader:
    """Checks one file; every entry by itself, so that one error hides no other."""

    def __init__(self, document: Document, catalogue: Catalogue | None) -> None:
        self._at = document.position
        content = {} if document.content is None else document.content
        self._file = convert(content, RawFile, self._at)
        self._catalogue = catalogue
        self._problems = Problems()
        self._ids: set[str] = set()

    def read(self) -> Definitions:
        counters = {}
        for name, value in self._file.counters.items():
            with self._problems.caught():
                counters[name] = self._counter(value, self._at / "counters" / name)
        slos, rules = [], []
        for number, value in enumerate(self._file.slos):
            with self._problems.caught():
                slos.append(self._slo(value, self._at / "slos" / number, counters))
        for number, value in enumerate(self._file.rules):
            with self._problems.caught():
                rules.append(self._rule(value, self._at / "rules" / number, counters))
        self._problems.raise_any()
        return Definitions(counters, tuple(slos), tuple(rules))

    def _counter(self, value: Any, at: Position) -> Counter:
        raw = convert(value, Counter, at)
        if raw.fact not in vocabulary():
            known = list(vocabulary())
            raise (at / "fact").error(f"no fact is called {raw.fact!r}", suggest(raw.fact, known))
        if (raw.good is None) == (raw.bad is None):
            raise at.error("a counter says `good` or `bad`", "write one of the two")
        schema = vocabulary()[raw.fact]
        for key in ("where", "total", "good", "bad", "impossible", "by"):
            text = getattr(raw, key)
            if text is not None:
                self._expression(text, schema, at / key)
        return raw

    @staticmethod
    def _expression(text: str, schema: FactSchema, at: Position) -> None:
        with at.reading_text():
            check_columns(parse_value(text), schema.name, schema.columns)

    def _slo(self, value: Any, at: Position, counters: Mapping[str, Counter]) -> Slo:
        raw = convert(value, RawSlo, at)
        self._new(raw.slo, at / "slo")
        if (raw.counter is None) == (raw.metric is None):
            raise at.error("an objective is over a `counter` or a `metric`", "write one of the two")
        self._known_counter(raw.counter, at, counters)
        self._known_metric(raw.metric, at, ("ratio", "quantile"))
        paces = tuple(
            Pace(p.share / 100, self._duration(p.within, at / "paces" / n / "within"), p.severity)
            for n, p in enumerate(raw.paces)
        )
        period = self._duration(raw.period, at / "period")
        for number, pace in enumerate(paces):
            if pace.long > period:
                raise (at / "paces" / number).error(
                    "the window is longer than the period", f"at most {raw.period}"
                )
        return Slo(raw, raw.objective / 100, period, paces or PACES)

    def _rule(self, value: Any, at: Position, counters: Mapping[str, Counter]) -> Rule:
        raw = convert(value, RawRule, at)
        self._new(raw.rule, at / "rule")
        if raw.type == "share" and (raw.counter is None or raw.limit is None):
            raise at.error("a share has a `counter` and a `limit`", "write both")
        if raw.type in ("below", "above", "control") and raw.metric is None:
            raise at.error(f"{raw.type!r} is about a `metric`", "name one of the catalogue")
        if raw.type in ("below", "above") and raw.limit is None:
            raise at.error(f"{raw.type!r} has a `limit`", "write the number")
        self._known_counter(raw.counter, at, counters)
        self._known_metric(raw.metric, at, ())
        times = (
            self._duration(getattr(raw, key), at / key).total_seconds()
            for key in ("over", "after", "lasting", "clear")
        )
        return Rule(raw, *times)

    def _new(self, id_: str, at: Position) -> None:
        if id_ in self._ids:
            raise at.error(f"{id_!r} is defined twice", "give each its own name")
        self._ids.add(id_)

    def _known_counter(self, name: str | None, at: Position, known: Mapping[str, Counter]) -> None:
        written = self._file.counters
        if name is not None and name not in known and name not in written:
            raise (at / "counter").error(f"no counter {name!r}", suggest(name, list(written)))

    def _known_metric(self, name: str | None, at: Position, kinds: tuple[str, ...]) -> None:
        if name is None or self._catalogue is None:
            return
        metric = self._catalogue.metrics.get(name)
        if metric is None:
            known = list(self._catalogue.metrics)
            raise (at / "metric").error(f"no metric {name!r}", suggest(name, known))
        if kinds and metric.raw.kind not in kinds:
            raise (at / "metric").error(
                f"{name!r} is of kind {metric.raw.kind}", f"take a {' or a '.join(kinds)}"
            )

    @staticmethod
    def _duration(text: str, at: Position) -> timedelta:
        return _reading(at, lambda: duration(text))


def _reading(at: Position, read: Callable[[], timedelta]) -> timedelta:
    try:
        return read()
    except ExpressionError as error:
        raise at.error(str(error), error.mend) from None
