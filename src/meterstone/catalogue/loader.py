"""From catalogue files to checked definitions; every error names file, line and what to write.

A catalogue is one YAML file, or a folder whose ``catalogue.yaml`` lists its files. A file holds any
of ``relations``, ``metrics`` and ``gates``. ``extends: framework`` starts from the definitions that
Meterstone ships; an entry with a known id replaces it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from sqlglot import exp

from meterstone.catalogue.expressions import (
    ExpressionError,
    Formula,
    check_query,
    columns_of,
    mergeable,
    parse_formula,
    parse_sql,
)
from meterstone.catalogue.model import (
    Catalogue,
    FactShape,
    GateCondition,
    Metric,
    Place,
    RawHoldGate,
    RawMetric,
    RawPlace,
    RawRelation,
    RawTerm,
    Relation,
    ScopeRule,
    StateLevel,
    Term,
)
from meterstone.catalogue.source import Lines, read_yaml
from meterstone.catalogue.units import factor
from meterstone.catalogue.windows import FORMS, parse_duration, parse_window
from meterstone.errors import CatalogueError, suggest

T = TypeVar("T")

_RULE_KINDS = ("threshold", "milestone", "cadence")
_SCOPE_COLUMN = {
    "network": None,
    "franchise": "franchise_id",
    "integration": "integration",
    "endpoint_group": "endpoint_group",
}
ROLLUP_MEASURES = ("requests", "timed_requests", "value_total")
"""Columns of a rollup relation beside its dimensions: weight, weight of rows with a value, and the
sum of value × weight."""

ORIGIN = ("newest", "evidence_rank")
"""Columns that say how fresh and how strong the rows are; facts have them, relations may."""

_PARAMETERS = {
    "moment": frozenset({"i", "at", "opens", "closes"}),
    "instant": frozenset({"at"}),
}

Path_ = tuple[str | int, ...]


def framework_path() -> Path:
    """The folder of the definitions that Meterstone ships."""
    return Path(str(files("meterstone.catalogue").joinpath("framework")))


@dataclass(slots=True)
class _Sources:
    """Everything that was read, before it is resolved."""

    name: str = "catalogue"
    version: str = "1"
    time_zone: str = "UTC"
    relations: dict[str, tuple[RawRelation, Lines, Path_]] = field(default_factory=dict)
    metrics: dict[str, tuple[RawMetric, Lines, Path_]] = field(default_factory=dict)
    places: list[tuple[RawPlace, Lines, Path_]] = field(default_factory=list)
    gates: dict[str, RawHoldGate] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    digest: Any = field(default_factory=hashlib.sha256)


def load_catalogue(path: Path, shapes: Mapping[str, FactShape]) -> Catalogue:
    """Read and check a catalogue.

    Args:
        path: a YAML file, or a folder with ``catalogue.yaml``.
        shapes: the facts that definitions may read.

    Raises:
        CatalogueError: with file, line, cause and mend of the first error.
    """
    sources = _Sources()
    _read(path, sources)
    relations = _Relations(sources, shapes).resolve()
    metrics = _Metrics(sources, relations).resolve()
    return Catalogue(
        name=sources.name,
        version=sources.version,
        hash=sources.digest.hexdigest(),
        metrics=metrics,
        relations=relations,
        gates=sources.gates,
        time_zone=sources.time_zone,
        order=tuple(sources.order),
    )


def _read(path: Path, sources: _Sources) -> None:
    main = path / "catalogue.yaml" if path.is_dir() else path
    head, lines = read_yaml(main)
    if not isinstance(head, dict):
        raise CatalogueError(
            "a catalogue is a mapping", place=f"{main}:1", mend="start with `name:` and `metrics:`"
        )
    sources.digest.update(main.read_bytes())
    if "extends" in head:
        _extend(head["extends"], lines, sources)
    sources.name = str(head.get("name", sources.name))
    sources.version = str(head.get("version", sources.version))
    sources.time_zone = _time_zone(str(head.get("time_zone", sources.time_zone)), lines)
    _take(head, lines, sources)
    for index, name in enumerate(head.get("files", [])):
        part = main.parent / str(name)
        if not part.is_file():
            raise CatalogueError(
                f"no file {name!r}", place=lines.place(("files", index)), mend="correct the name"
            )
        content, part_lines = read_yaml(part)
        sources.digest.update(part.read_bytes())
        _take(content, part_lines, sources)


def _extend(what: Any, lines: Lines, sources: _Sources) -> None:
    if what != "framework":
        raise CatalogueError(
            f"cannot extend {what!r}", place=lines.place(("extends",)), mend="extends: framework"
        )
    _read(framework_path(), sources)


def _time_zone(name: str, lines: Lines) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise CatalogueError(
            f"unknown time zone {name!r}",
            place=lines.place(("time_zone",)),
            mend="write an IANA name such as Europe/Berlin or America/New_York",
        ) from error
    return name


_KEYS = ("name", "version", "time_zone", "files", "extends", "system", "relations", "metrics", "gates", "note")  # fmt: skip


def _take(content: Any, lines: Lines, sources: _Sources) -> None:
    for key in content or {}:
        if key not in _KEYS:
            raise CatalogueError(
                f"unknown key {key!r}", place=lines.place((key,)), mend=suggest(key, list(_KEYS))
            )
    for name, entry in (content.get("relations") or {}).items():
        path: Path_ = ("relations", name)
        sources.relations[name] = (_convert(entry, RawRelation, lines, path), lines, path)
    for index, entry in enumerate(content.get("metrics") or []):
        _take_metric(entry, lines, ("metrics", index), sources)
    for index, entry in enumerate(content.get("gates") or []):
        gate = _convert(entry, RawHoldGate, lines, ("gates", index))
        sources.gates[gate.id] = gate


def _take_metric(entry: Any, lines: Lines, path: Path_, sources: _Sources) -> None:
    ref = entry.get("ref") if isinstance(entry, dict) else None
    if isinstance(entry, dict) and "same_as" in entry:
        place = _convert(entry, RawPlace, lines, path)
        sources.places.append((place, lines, path))
    else:
        metric = _convert(entry, RawMetric, lines, path)
        known = sources.metrics.pop(metric.id, None)
        if known:
            sources.order = [other for other in sources.order if other != known[0].ref]
        sources.metrics[metric.id] = (metric, lines, path)
    if ref in sources.order:
        raise CatalogueError(
            f"ref {ref!r} is defined twice", place=lines.place(path), mend="remove one of the two"
        )
    sources.order.append(str(ref))


def _convert(entry: Any, kind: type[T], lines: Lines, path: Path_) -> T:
    try:
        return msgspec.convert(entry, kind)
    except msgspec.ValidationError as error:
        cause, _, where = str(error).partition(" - at `")
        inner = _json_path(where)
        mend = "see docs/metric-language.md"
        unknown = re.search(r"unknown field `(\w+)`", cause)
        missing = re.search(r"missing required field `(\w+)`", cause)
        if unknown:
            inner = (*inner, unknown[1])
            mend = suggest(unknown[1], [f.encode_name for f in msgspec.structs.fields(kind)])  # type: ignore[arg-type]
        elif missing:
            mend = f"add `{missing[1]}:`"
        raise CatalogueError(
            cause, place=lines.place((*path, *inner)), mend=mend
        ) from error


def _json_path(where: str) -> Path_:
    parts = re.findall(r"\.(\w+)|\[(\d+)\]|\[\.\.\.\]", where.strip("`$"))
    return tuple(name or int(index) for name, index in parts if name or index)


class _Relations:
    """Resolves relations: each fact is one by itself, the written ones build on them."""

    def __init__(self, sources: _Sources, shapes: Mapping[str, FactShape]) -> None:
        self._sources = sources.relations
        self._shapes = shapes
        self._done: dict[str, Relation] = {
            name: _fact_relation(name, shape) for name, shape in shapes.items()
        }
        self._open: list[str] = []

    def resolve(self) -> dict[str, Relation]:
        for name in self._sources:
            self._resolve(name)
        return self._done

    def _resolve(self, name: str) -> Relation:
        if name in self._done and name not in self._open:
            return self._done[name]
        raw, lines, path = self._sources[name]
        if name in self._open:
            cycle = " → ".join([*self._open[self._open.index(name) :], name])
            raise CatalogueError(
                f"relations read each other: {cycle}",
                place=lines.place(path),
                mend="let one of them read facts instead",
            )
        self._open.append(name)
        try:
            relation = self._build(name, raw, lines, path)
        except ExpressionError as error:
            raise CatalogueError(
                str(error), place=lines.place((*path, "sql"), error.line + 1), mend=error.mend
            ) from error
        self._open.pop()
        self._done[name] = relation
        return relation

    def _build(self, name: str, raw: RawRelation, lines: Lines, path: Path_) -> Relation:
        sql = self._sql(raw, lines, path)
        reads: dict[str, timedelta | None] = {}
        if raw.rollup:
            shape = self._fact(raw.rollup, lines, (*path, "rollup"))
            if not shape.rollup_dimensions:
                raise CatalogueError(
                    f"fact {raw.rollup} has no rollup",
                    place=lines.place((*path, "rollup")),
                    mend="write `sql:` instead",
                )
            columns = [*shape.rollup_dimensions, *ROLLUP_MEASURES, *ORIGIN, "at", shape.rollup_value]
            time = "at"
            reads[raw.rollup] = timedelta(days=1)
        elif sql:
            columns = self._columns(sql, raw)
            time = raw.time or ("i" if raw.over == "moment" and "i" in columns else "at")
            reads = self._reads(sql, raw, lines, path)
        else:
            raise CatalogueError(
                f"relation {name!r} has neither sql nor rollup",
                place=lines.place(path),
                mend="write `sql: |` with a SELECT over facts",
            )
        if time not in columns:
            raise CatalogueError(
                f"relation {name!r} has no column {time!r}",
                place=lines.place((*path, "time")),
                mend=suggest(time, columns),
            )
        scopes = {k: ScopeRule(s.key, s.where) for k, s in raw.scopes.items()} or {
            kind: ScopeRule(column, None)
            for kind, column in _SCOPE_COLUMN.items()
            if column is None or column in columns
        }
        for kind, rule in scopes.items():
            self._check_fragment(rule.where, columns, lines, (*path, "scopes", kind))
            if rule.key and rule.key not in columns:
                raise CatalogueError(
                    f"relation {name!r} has no column {rule.key!r}",
                    place=lines.place((*path, "scopes", kind)),
                    mend=suggest(rule.key, columns),
                )
        self._check_fragment(raw.where, columns, lines, (*path, "where"))
        return Relation(
            name=name,
            desc=raw.desc,
            sql=sql,
            rollup=raw.rollup,
            where=raw.where,
            time=time,
            over=raw.over,
            scopes=scopes,  # type: ignore[arg-type]  # keys are scope kinds
            reads=reads,
            materialize=raw.materialize,
            columns=frozenset(columns),
            uses=tuple(_tables(sql)) if sql else (),
            place=lines.place(path),
        )

    def _sql(self, raw: RawRelation, lines: Lines, path: Path_) -> str | None:
        if raw.same_sql_as is None:
            return raw.sql
        if raw.same_sql_as not in self._sources:
            raise CatalogueError(
                f"unknown relation {raw.same_sql_as!r}",
                place=lines.place((*path, "same_sql_as")),
                mend=suggest(raw.same_sql_as, list(self._sources)),
            )
        return self._sources[raw.same_sql_as][0].sql

    def _columns(self, sql: str, raw: RawRelation) -> list[str]:
        tables: dict[str, frozenset[str]] = dict(_PARAMETERS)
        for name in _tables(sql):
            if name in self._done:
                tables[name] = self._done[name].columns
            elif name in self._sources:
                tables[name] = self._resolve(name).columns
        known = {**{n: r.columns for n, r in self._done.items()}, **tables}
        return check_query(_without_parameters(sql), known)

    def _reads(
        self, sql: str, raw: RawRelation, lines: Lines, path: Path_
    ) -> dict[str, timedelta | None]:
        reads: dict[str, timedelta | None] = {}
        for name in _tables(sql):
            relation = self._done.get(name)
            if relation:
                for fact, reach in relation.reads.items():
                    reads[fact] = _longer(reads.get(fact, timedelta(0)), reach)
        for fact, text in raw.reads.items():
            if fact not in reads:
                raise CatalogueError(
                    f"the relation does not read {fact!r}",
                    place=lines.place((*path, "reads", fact)),
                    mend=suggest(fact, list(reads)),
                )
            try:
                reads[fact] = None if text == "for ever" else parse_duration(text)
            except ValueError as error:
                raise CatalogueError(
                    str(error), place=lines.place((*path, "reads", fact)), mend="P1D, or `for ever`"
                ) from error
        return reads

    def _fact(self, name: str, lines: Lines, path: Path_) -> FactShape:
        if name not in self._shapes:
            raise CatalogueError(
                f"unknown fact {name!r}",
                place=lines.place(path),
                mend=suggest(name, list(self._shapes)),
            )
        return self._shapes[name]

    def _check_fragment(
        self, text: str | None, columns: list[str], lines: Lines, path: Path_
    ) -> None:
        if text is None:
            return
        try:
            unknown = columns_of(parse_sql(text)) - set(columns)
        except ExpressionError as error:
            raise CatalogueError(str(error), place=lines.place(path), mend=error.mend) from error
        for name in sorted(unknown):
            raise CatalogueError(
                f"unknown column {name!r}", place=lines.place(path), mend=suggest(name, columns)
            )


def _fact_relation(name: str, shape: FactShape) -> Relation:
    columns = frozenset({*shape.columns, *ORIGIN, "_seq", "_item"})
    return Relation(
        name=name,
        desc=f"rows of fact {name}",
        sql=None,
        rollup=None,
        where=None,
        time=shape.event_time,
        over="rows",
        scopes={
            kind: ScopeRule(column, None)
            for kind, column in _SCOPE_COLUMN.items()
            if column is None or column in columns
        },
        reads={name: timedelta(days=1)},
        materialize=None,
        columns=columns,
        uses=(),
        place="facts",
    )


def _tables(sql: str) -> list[str]:
    tree = parse_sql(_without_parameters(sql))
    local = {cte.alias for cte in tree.find_all(exp.CTE)}
    return sorted({t.name for t in tree.find_all(exp.Table) if t.name not in local})


def _without_parameters(sql: str) -> str:
    """SQL in which ``$start``, ``$end`` stand as literals, for checking."""
    return re.sub(r"\$(start|end)\b", "TIMESTAMP '2000-01-01'", sql)


def _longer(a: timedelta | None, b: timedelta | None) -> timedelta | None:
    return None if a is None or b is None else max(a, b)


class _Metrics:
    """Resolves metrics and hangs each place of the framework on its metric."""

    def __init__(self, sources: _Sources, relations: Mapping[str, Relation]) -> None:
        self._sources = sources
        self._relations = relations

    def resolve(self) -> dict[str, Metric]:
        self._check_cycles()
        places = self._places()
        return {
            id_: self._build(raw, lines, path, places.get(id_, []))
            for id_, (raw, lines, path) in self._sources.metrics.items()
        }

    def _places(self) -> dict[str, list[Place]]:
        found: dict[str, list[Place]] = {}
        for raw, lines, path in self._sources.places:
            if raw.same_as not in self._sources.metrics:
                raise CatalogueError(
                    f"unknown metric {raw.same_as!r}",
                    place=lines.place((*path, "same_as")),
                    mend=suggest(raw.same_as, list(self._sources.metrics)),
                )
            metric = self._sources.metrics[raw.same_as][0]
            _check_unit(metric.unit, raw.target.unit, lines, (*path, "target"))
            found.setdefault(raw.same_as, []).append(
                Place(
                    raw.ref,
                    raw.literal,
                    raw.target,
                    raw.at,  # type: ignore[arg-type]  # keys are scope kinds
                    metric.min_sample if raw.min_sample is None else raw.min_sample,
                    raw.note,
                )
            )
        return found

    def _check_cycles(self) -> None:
        graph = {id_: raw.inputs for id_, (raw, _, _) in self._sources.metrics.items()}
        for id_, (_, lines, path) in self._sources.metrics.items():
            cycle = _find_cycle(graph, id_)
            if cycle:
                raise CatalogueError(
                    f"metrics are inputs of each other: {' → '.join(cycle)}",
                    place=lines.place((*path, "inputs")),
                    mend="compute one of them from facts",
                )
            for name in graph[id_]:
                if name not in graph:
                    raise CatalogueError(
                        f"unknown input {name!r}",
                        place=lines.place((*path, "inputs")),
                        mend=suggest(name, list(graph)),
                    )

    def _build(self, raw: RawMetric, lines: Lines, path: Path_, places: list[Place]) -> Metric:
        _check_unit(raw.unit, raw.target.unit, lines, (*path, "target"))
        self._check_window(raw.window, lines, (*path, "window"))
        terms = {
            name: self._term(name, term, raw, lines, (*path, "terms", name))
            for name, term in raw.terms.items()
        }
        if raw.resample:
            terms["_resample"] = self._term(
                "_resample", f"list({raw.resample})", raw, lines, (*path, "resample")
            )
        names = [*terms, *raw.inputs, *_bound_names(terms)]
        formula = _FormulaReader(names, lines, path)
        value = raw.value or _usual_value(raw)
        self._check_kind(raw, value, lines, path)
        facts = {fact for term in terms.values() for fact in self._relations[term.relation].facts}
        return Metric(
            raw=raw,
            place=lines.place(path),
            terms=terms,
            value=formula.read(value, "value"),
            numerator=formula.read(raw.numerator, "numerator"),
            denominator=formula.read(raw.denominator, "denominator"),
            sample=formula.read(raw.sample or _usual_sample(raw), "sample"),
            heartbeat=formula.read(raw.heartbeat, "heartbeat"),
            censored=formula.read(raw.censored, "censored"),
            unknown=formula.read(raw.unknown, "unknown"),
            gates=tuple(
                GateCondition(gate.title, formula.must_read(gate.holds, "gates"))
                for gate in raw.gates
            ),
            scale=tuple(
                StateLevel(
                    level.level,
                    None if level.when == "otherwise" else formula.must_read(level.when, "scale"),
                )
                for level in raw.scale
            ),
            shown={name: formula.must_read(text, "shown") for name, text in raw.shown.items()},
            places=(
                Place(raw.ref, raw.literal, raw.target, raw.at, raw.min_sample, raw.note),  # type: ignore[arg-type]
                *places,
            ),
            facts=tuple(sorted(facts)),
        )

    def _term(
        self, name: str, raw: str | RawTerm, metric: RawMetric, lines: Lines, path: Path_
    ) -> Term:
        term = RawTerm(agg=raw) if isinstance(raw, str) else raw
        source = term.source or metric.source
        if source is None or source not in self._relations:
            raise CatalogueError(
                f"unknown fact or relation {source!r}" if source else "the term has no `from`",
                place=lines.place(path),
                mend=suggest(str(source), list(self._relations)),
            )
        window = term.window or metric.window
        self._check_window(window, lines, path)
        relation = self._relations[source]
        merge = None
        if term.agg:
            merge = self._check_aggregate(term.agg, relation, lines, path)
        for fragment in (term.quantile_of, term.where, term.weight):
            if fragment:
                self._check_columns(fragment, relation, lines, path)
        return Term(
            name=name,
            relation=source,
            agg=term.agg,
            quantile_of=term.quantile_of,
            q=term.q if term.q is not None else (metric.q or 0.5),
            weight=term.weight,
            where=term.where,
            window=window,
            shift=term.shift,
            mergeable=merge is not None or term.quantile_of is not None,
            merge=merge or "sum",  # type: ignore[arg-type]  # sum, min or max
        )

    def _check_aggregate(
        self, text: str, relation: Relation, lines: Lines, path: Path_
    ) -> str | None:
        self._check_columns(text, relation, lines, path)
        return mergeable(parse_sql(text))

    def _check_columns(self, text: str, relation: Relation, lines: Lines, path: Path_) -> None:
        try:
            unknown = columns_of(parse_sql(text)) - relation.columns
        except ExpressionError as error:
            raise CatalogueError(str(error), place=lines.place(path), mend=error.mend) from error
        for name in sorted(unknown):
            raise CatalogueError(
                f"{relation.name} has no column {name!r}",
                place=lines.place(path),
                mend=suggest(name, sorted(relation.columns)),
            )

    def _check_window(self, text: str, lines: Lines, path: Path_) -> None:
        try:
            parse_window(text)
        except ValueError as error:
            raise CatalogueError(
                str(error), place=lines.place(path), mend="write one of: " + "; ".join(FORMS)
            ) from error

    def _check_kind(self, raw: RawMetric, value: str | None, lines: Lines, path: Path_) -> None:
        needs = {"threshold": "rule", "milestone": "rule", "cadence": "schedule", "state": "scale"}
        if raw.kind == "trend":
            needs["trend"] = "inputs"
        needed = needs.get(raw.kind)
        if needed and not getattr(raw, needed):
            raise CatalogueError(
                f"a {raw.kind} needs `{needed}`",
                place=lines.place(path),
                mend=f"add `{needed}:` (docs/metric-language.md)",
            )
        if needed is None and value is None and raw.hook is None:
            raise CatalogueError(
                f"a {raw.kind} needs `value` (or numerator and denominator)",
                place=lines.place(path),
                mend="write `value: 100 * good / all` over the terms",
            )


class _FormulaReader:
    """Reads the formulas of one metric; its terms and inputs are the names they may use."""

    def __init__(self, names: list[str], lines: Lines, path: Path_) -> None:
        self._names = names
        self._lines = lines
        self._path = path

    def read(self, text: str | None, field_: str) -> Formula | None:
        return None if text is None else self.must_read(text, field_)

    def must_read(self, text: str, field_: str) -> Formula:
        try:
            return parse_formula(text, self._names)
        except ExpressionError as error:
            raise CatalogueError(
                str(error), place=self._lines.place((*self._path, field_)), mend=error.mend
            ) from error


def _bound_names(terms: Mapping[str, Term]) -> list[str]:
    """A quantile term ``p`` also gives ``p_lower`` and ``p_upper`` (its 95 % bounds) and
    ``p_weight`` (how much it is based on)."""
    return [
        f"{name}_{side}"
        for name, term in terms.items()
        if term.quantile_of
        for side in ("lower", "upper", "weight")
    ]


def _usual_value(raw: RawMetric) -> str | None:
    if raw.kind == "quantile" and raw.value is None and len(raw.terms) == 1:
        return next(iter(raw.terms))
    if not (raw.numerator and raw.denominator):
        return None
    fraction = f"({raw.numerator}) / ({raw.denominator})"
    if raw.kind == "growth":
        return f"100 * ({fraction} - 1)"
    return f"100 * {fraction}" if raw.unit.startswith("%") else fraction


def _usual_sample(raw: RawMetric) -> str | None:
    return raw.denominator if raw.kind in ("ratio", "mean") else None


def _check_unit(unit: str, other: str, lines: Lines, path: Path_) -> None:
    if factor(unit, other) is None:
        raise CatalogueError(
            f"the target is in {other!r}, the metric in {unit!r}",
            place=lines.place(path),
            mend=f"write `unit: {unit!r}`, or a unit that converts into it",
        )


def _find_cycle(graph: Mapping[str, list[str]], start: str) -> list[str] | None:
    def walk(name: str, trail: list[str]) -> Iterator[list[str]]:
        for other in graph.get(name, []):
            if other == start:
                yield [*trail, other]
            elif other not in trail:
                yield from walk(other, [*trail, other])

    return next(walk(start, [start]), None)
