"""One scan: all terms over the same relation, window and kind of scope, for many moments at once.

Mergeable terms are read by buckets of 24 h back from the end of each window and merged in numpy, in
the order of the buckets, so that a window has the same digits however many moments share the scan:
windows that end at the same time of day share their buckets, the others are joined to the rows.
Terms that cannot be merged are read by joining the rows to the moments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy
from numpy.typing import NDArray

from meterstone.catalogue import Relation, Term
from meterstone.measure.compile import (
    MOMENT_COLUMNS,
    ZERO_BIN,
    Compiler,
    Level,
    Moment,
    literal,
    moment_table,
)
from meterstone.warehouse.base import Warehouse

Array = NDArray[Any]
Histograms = dict[tuple[int, str], tuple[Array, Array]]
"""Bins in order and their weights, by bucket or moment and scope key."""

_DAY = 86400
_US = 1_000_000
_DAY_US = _DAY * _US
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FAR = np.inf
_MOST_GROUPS = 4
"""Up to so many times of day at which windows end are scanned one by one; more share a join."""


@dataclass(frozen=True, slots=True)
class ScanKey:
    """What terms must share to be read in one scan. ``shift`` moves the window back."""

    relation: str
    window: str
    shift: str | None
    scope: str


@dataclass(slots=True)
class ScanResult:
    """Terms by moment and scope key.

    Attributes:
        keys: scope keys, sorted.
        terms: arrays of shape (moments, keys) by term name; row lists are object arrays.
        rows: rows read, same shape.
        newest: event time of the newest row in epoch seconds, NaN without rows.
        evidence: weakest evidence rank among the rows, -1 without rows.
        expires: earliest expiry among the rows in epoch seconds, +inf without one.
        blocks: per term the values by day, shape (days, keys), for resampling whole days.
        spans: per moment the slice of ``blocks`` that its window covers.
        zeros: names of terms that are zero, and not unknown, where no row was read.
    """

    keys: list[str]
    terms: dict[str, Array] = field(default_factory=dict)
    rows: Array = field(default_factory=lambda: np.zeros((0, 0)))
    newest: Array = field(default_factory=lambda: np.zeros((0, 0)))
    evidence: Array = field(default_factory=lambda: np.zeros((0, 0)))
    expires: Array = field(default_factory=lambda: np.zeros((0, 0)))
    blocks: dict[str, Array] = field(default_factory=dict)
    spans: list[slice] = field(default_factory=list)
    zeros: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Shared:
    """Queries that the scan of the network and that of one other kind of scope have in common:
    grouped by ``key`` and as a whole, over the terms of both."""

    key: str
    terms: dict[str, Term]
    answers: dict[str, pa.Table] = field(default_factory=dict)


def shared(
    relation: Relation, wanted: Mapping[str, Mapping[str, Term]]
) -> tuple[str, Shared] | None:
    """The kind of scope that is read together with the network, where one of those ``wanted`` (with
    their terms) differs from it by the key alone."""
    whole = relation.scopes.get("network")
    if whole is None or whole.key or whole.unit or "network" not in wanted:
        return None
    for scope, terms in wanted.items():
        rule = relation.scopes.get(scope)
        if rule and rule.key and not rule.unit and rule.where == whole.where:
            return scope, Shared(rule.key, {**wanted["network"], **terms})
    return None


def run_scan(
    warehouse: Warehouse,
    compiler: Compiler,
    relation: Relation,
    scope: str,
    terms: Mapping[str, Term],
    moments: Sequence[Moment],
    stored_level: Level | None,
    together: Shared | None = None,
) -> ScanResult | None:
    """Read all terms of one scan; None when the relation has no such scope.

    Args:
        stored_level: the finest grain at which the window edges of all moments fall, where stored
            rollups may be read; None to read rows.
        together: what this scan has in common with another one.
    """
    if scope not in relation.scopes:
        return None
    results, groups = [], _groups(relation, moments)
    for group in groups:
        part = moments
        if len(groups) > 1:
            part = [replace(moments[i], index=n) for n, i in enumerate(group)]
        reader = _Reader(warehouse, compiler, relation, scope, part, stored_level, together)
        results.append(_scan_group(reader, relation, terms, len(part)))
    return results[0] if len(groups) == 1 else _join_groups(results, groups, len(moments))


def _groups(relation: Relation, moments: Sequence[Moment]) -> list[list[int]]:
    """Moments that are scanned together: those whose windows end at the same time of day, or where
    there are many, at the same second of a minute (slots of a minute are counted from an edge)."""
    if relation.over == "moment":
        return [list(range(len(moments)))]
    by_time: dict[int, list[int]] = {}
    by_second: dict[int, list[int]] = {}
    for i, moment in enumerate(moments):
        edge = _microseconds(moment.closes)
        by_time.setdefault(edge % _DAY_US, []).append(i)
        by_second.setdefault(edge % (60 * _US), []).append(i)
    return list((by_time if len(by_time) <= _MOST_GROUPS else by_second).values())


def _scan_group(
    reader: _Reader, relation: Relation, terms: Mapping[str, Term], moments: int
) -> ScanResult:
    over_rows = relation.over != "moment"
    plain, joined = _by_way(relation, terms)
    quantiles = {n: t for n, t in terms.items() if t.quantile_of}
    parts = []
    if plain or (quantiles and over_rows):
        parts.append(reader.by_buckets(plain))
    if joined or not parts:
        parts.append(reader.by_moments(joined))
    result = _merge_parts(parts, moments)
    histograms: dict[tuple[str | None, ...], Histograms] = {}
    for name, term in quantiles.items():
        same = (term.quantile_of, term.weight, term.where)
        if same not in histograms:
            histograms[same] = reader.histogram(term)
        _add_quantile(result, name, term, histograms[same])
    return result


def _by_way(
    relation: Relation, terms: Mapping[str, Term]
) -> tuple[dict[str, Term], dict[str, Term]]:
    """The aggregates that are merged from buckets, and those read by moment."""
    plain = {n: t for n, t in terms.items() if t.agg and t.mergeable and relation.over != "moment"}
    return plain, {n: t for n, t in terms.items() if t.agg and n not in plain}


def _join_groups(
    results: Sequence[ScanResult], groups: Sequence[Sequence[int]], moments: int
) -> ScanResult:
    """The moments of several groups in their order again."""
    keys = sorted({key for result in results for key in result.keys})
    joined = ScanResult(keys, spans=[slice(0, 0)] * moments)
    for name in dict.fromkeys(name for result in results for name in result.terms):
        parts = [(r.terms[name], r, 0.0 if name in r.zeros else np.nan) for r in results]
        joined.terms[name] = _interleave(parts, groups, keys, moments)
    joined.zeros = set().union(*(result.zeros for result in results))
    for name, fill in _ORIGINS.items():
        parts = [(getattr(r, name), r, fill) for r in results]
        setattr(joined, name, _interleave(parts, groups, keys, moments))
    height = 0
    for result, group in zip(results, groups, strict=True):
        for span, i in zip(result.spans, group, strict=False):
            joined.spans[i] = slice(span.start + height, span.stop + height)
        height += max((len(blocks) for blocks in result.blocks.values()), default=0)
    for name in dict.fromkeys(name for result in results for name in result.blocks):
        joined.blocks[name] = np.concatenate(
            [spread(r.blocks[name], r.keys, keys, 0.0, len(r.blocks[name])) for r in results]
        )
    return joined


def _interleave(
    parts: Sequence[tuple[Array, ScanResult, float]],
    groups: Sequence[Sequence[int]],
    keys: list[str],
    moments: int,
) -> Array:
    kind = object if any(array.dtype == object for array, _, _ in parts) else float
    whole: Array = np.empty((moments, len(keys)), dtype=kind)
    for (array, result, fill), group in zip(parts, groups, strict=True):
        whole[list(group)] = spread(array, result.keys, keys, fill, len(group))
    return whole


_MERGES = {"sum": (0.0, np.add), "min": (_FAR, np.minimum), "max": (-_FAR, np.maximum)}
"""What an empty window has, and how two buckets become one."""

_ORIGINS = {"rows": 0.0, "newest": np.nan, "evidence": -1.0, "expires": _FAR}
"""What is known of the rows beside the terms, and its value where there are none."""


class _Reader:
    """Runs the queries of one scan."""

    def __init__(
        self,
        warehouse: Warehouse,
        compiler: Compiler,
        relation: Relation,
        scope: str,
        moments: Sequence[Moment],
        stored_level: Level | None,
        together: Shared | None,
    ) -> None:
        self._warehouse = warehouse
        self._compiler = compiler
        self._relation = relation
        self._moments = moments
        self._level = stored_level
        self._start = min(m.opens for m in moments)
        self._end = max(m.closes for m in moments)
        self._rule = relation.scopes[scope]
        self._opens = np.array([_microseconds(m.opens) for m in moments], dtype=np.int64)
        self._closes = np.array([_microseconds(m.closes) for m in moments], dtype=np.int64)
        self._offset = int(self._closes[0]) % _DAY_US
        self.uniform = len(moments) == 1 or not (
            np.any((self._opens - self._offset) % _DAY_US)
            or np.any((self._closes - self._offset) % _DAY_US)
        )
        self._shared = together if self.uniform or relation.over == "moment" else None

    def by_buckets(self, terms: Mapping[str, Term]) -> ScanResult:
        """Mergeable terms by bucket of a day, merged over each window."""
        if not self.uniform:
            return self._by_own_buckets(terms)
        asked = _by_way(self._relation, self._shared.terms)[0] if self._shared else terms
        table = self._answer(self._bucket_sql(asked))
        bucket = _column(table, "b").astype(np.int64)
        first, count = (int(bucket.min()), int(np.ptp(bucket)) + 1) if len(bucket) else (0, 0)
        spans = self._spans(first, count)
        return self._merged(table, terms, bucket - first, count, spans)

    def _by_own_buckets(self, terms: Mapping[str, Term]) -> ScanResult:
        """The same where windows share no buckets: each moment has its own, one after another."""
        table = self._answer(self._own_bucket_sql(terms))
        moment = _column(table, "i").astype(np.int64)
        bucket = _column(table, "b").astype(np.int64)
        counts = [-((m.opens - m.closes) // timedelta(days=1)) for m in self._moments]
        ends = np.cumsum(counts, dtype=np.int64)
        spans = [slice(int(end) - n, int(end)) for end, n in zip(ends, counts, strict=True)]
        return self._merged(table, terms, ends[moment] + bucket, int(ends[-1]), spans)

    def _merged(
        self,
        table: pa.Table,
        terms: Mapping[str, Term],
        bucket: Array,
        count: int,
        spans: list[slice],
    ) -> ScanResult:
        keys, index = _keys(table)
        where = (bucket, index)
        result = ScanResult(keys, spans=spans)
        fills = {"sum": 0.0, "min": _FAR, "max": -_FAR}
        for name, term in terms.items():
            blocks = np.full((count, len(keys)), fills[term.merge])
            blocks[where] = np.nan_to_num(_column(table, name), nan=fills[term.merge])
            result.blocks[name] = blocks
            result.terms[name] = _merge(blocks, result.spans, term.merge)
            if term.merge == "sum":
                result.zeros.add(name)
        for name, fill, merge in (
            ("rows", 0.0, "sum"), ("newest", -_FAR, "max"), ("evidence", -1.0, "max"),
            ("expires", _FAR, "min"),
        ):  # fmt: skip
            blocks = np.full((count, len(keys)), fill)
            blocks[where] = np.nan_to_num(_column(table, f"_{name}"), nan=fill)
            merged = _merge(blocks, result.spans, merge, empty=fill)
            setattr(result, name, merged)
        result.newest = np.where(np.isfinite(result.newest), result.newest, np.nan)
        return result

    def by_moments(self, terms: Mapping[str, Term]) -> ScanResult:
        """Terms that cannot be merged: rows joined to each moment's window."""
        asked = _by_way(self._relation, self._shared.terms)[1] if self._shared else terms
        table = self._answer(self._moment_sql(asked))
        keys, index = _keys(table)
        shape = (len(self._moments), len(keys))
        where = (_column(table, "i").astype(np.int64), index)
        result = ScanResult(keys)
        for name in terms:
            column = table.column(name)
            if pa.types.is_list(column.type) or pa.types.is_string(column.type):
                filled: Array = np.full(shape, None, dtype=object)
                for i, k, value in zip(*where, column.to_pylist(), strict=True):
                    filled[i, k] = value
            else:
                filled = np.full(shape, np.nan)
                filled[where] = _column(table, name)
            result.terms[name] = filled
        for name, fill in _ORIGINS.items():
            filled = np.full(shape, fill)
            filled[where] = np.nan_to_num(_column(table, f"_{name}"), nan=fill)
            setattr(result, name, filled)
        for name, term in terms.items():
            if term.agg and term.agg.lstrip().lower().startswith(("count", "sum")):
                result.terms[name] = np.nan_to_num(result.terms[name].astype(float), nan=0.0)
                result.zeros.add(name)
        return result

    def histogram(self, term: Term) -> Histograms:
        """Bins and weights of a quantile term by moment and scope key."""
        if self._relation.over == "moment" or not self.uniform:
            return self._histogram(term, by_moment=True)
        by_bucket = self._histogram(term, by_moment=False)
        if not by_bucket:
            return {}
        first = min(b for b, _ in by_bucket)
        last = max(b for b, _ in by_bucket)
        keys = sorted({k for _, k in by_bucket})
        found = {}
        for i, span in enumerate(self._spans(first, last - first + 1)):
            for key in keys:
                parts = [
                    by_bucket[b + first, key]
                    for b in range(span.start, span.stop)
                    if (b + first, key) in by_bucket
                ]
                if parts:
                    found[i, key] = _merge_bins(parts)
        return found

    def _histogram(self, term: Term, *, by_moment: bool) -> Histograms:
        source, bin_, weight = self._compiler.histogram_source(
            self._relation, term.quantile_of or "", self._start, self._end, self._level,
            self._moments,
        )  # fmt: skip
        weight = term.weight or weight
        group = "i" if by_moment else "b"
        inner = self._joined(source) if by_moment else self._bucketed(source)
        condition = f" WHERE {term.where}" if term.where else ""
        table = self._answer(
            f"SELECT * FROM (SELECT {group}, {self._selected}, {bin_} AS bin, "
            f"CAST(sum({weight}) AS DOUBLE) AS w FROM {inner}{condition} "
            f"GROUP BY {self._by(group, bin_)}) WHERE bin IS NOT NULL ORDER BY {group}, k, bin"
        )
        groups = _column(table, group).astype(np.int64)
        keys, index = _keys(table)
        bins = _column(table, "bin").astype(np.int64)
        weights = _column(table, "w")
        changed = (np.diff(groups) != 0) | (np.diff(index) != 0)
        starts = np.append(0, np.flatnonzero(changed) + 1)[: len(groups)]
        stops = np.append(starts[1:], len(groups))
        return {
            (int(groups[start]), keys[index[start]]): (bins[start:stop], weights[start:stop])
            for start, stop in zip(starts.tolist(), stops.tolist(), strict=False)
        }

    def _bucket_sql(self, terms: Mapping[str, Term]) -> str:
        aggregates = self._aggregates(terms)
        source = self._compiler.relation(
            self._relation.name, self._start, self._end, level=self._level, moments=self._moments
        )
        return (
            f"SELECT b, {self._selected}, {aggregates} FROM {self._bucketed(source)} "
            f"GROUP BY {self._by('b')}"
        )

    def _own_bucket_sql(self, terms: Mapping[str, Term]) -> str:
        source = self._compiler.relation(
            self._relation.name, self._start, self._end, level=self._level, moments=self._moments
        )
        back = f'(epoch(CAST("{self._relation.time}" AS TIMESTAMP)) - epoch(closes)) / {_DAY}'
        return (
            f"SELECT i, CAST(floor({back}) AS BIGINT) AS b, k, {self._aggregates(terms)} "
            f"FROM {self._joined(source)} GROUP BY ALL"
        )

    def _moment_sql(self, terms: Mapping[str, Term]) -> str:
        source = self._compiler.relation(
            self._relation.name, self._start, self._end, level=self._level, moments=self._moments
        )
        return (
            f"SELECT i, {self._selected}, {self._aggregates(terms)} FROM {self._joined(source)} "
            f"GROUP BY {self._by('i')}"
        )

    @property
    def _selected(self) -> str:
        if self._shared is None:
            return "k"
        return (
            "CASE WHEN grouping(k) = 1 THEN '*' ELSE CAST(k AS VARCHAR) END AS k, "
            "grouping(k) = 1 AS _whole"
        )

    def _by(self, *columns: str) -> str:
        """What rows are grouped by beside the key."""
        listed = ", ".join(columns)
        if self._shared is None:
            return f"{listed}, k"
        return f"GROUPING SETS (({listed}), ({listed}, k))"

    def _answer(self, sql: str) -> pa.Table:
        """The rows of this kind of scope, asked for once where another one shares the query."""
        if self._shared is None:
            return self._warehouse.query(self._with_moments(sql))
        answers = self._shared.answers
        if sql not in answers:
            answers[sql] = self._warehouse.query(self._with_moments(sql))
        table = answers[sql]
        whole = table.column("_whole")
        mine = whole if self._rule.key is None else pc.invert(whole)
        return table.filter(pc.and_(mine, pc.is_valid(table.column("k"))))

    def _with_moments(self, sql: str) -> str:
        """A query in which many moments are written once: reading them costs more than the rest."""
        if sql.count(MOMENT_COLUMNS) < 2:
            return sql
        table = moment_table(self._moments)
        once = sql.replace(table, "(SELECT * FROM _moments)")
        return f"WITH _moments AS MATERIALIZED {table} {once}"

    def _bucketed(self, source: str) -> str:
        time = f'r."{self._relation.time}"'
        moved = f"CAST({time} AS TIMESTAMP) - INTERVAL '{self._offset}' MICROSECOND"
        bucket = f"CAST(floor(epoch({moved}) / {_DAY}) AS BIGINT)"
        return (
            f"(SELECT {bucket} AS b, {self._key} AS k, r.* FROM {source} AS r "
            f"WHERE {time} >= {literal(self._start)} AND {time} < {literal(self._end)}"
            f"{self._and_scope})"
        )

    def _joined(self, source: str) -> str:
        columns = self._relation.columns
        if self._relation.over == "moment" and "i" in columns:
            return f"(SELECT {self._key} AS k, r.* FROM {source} AS r WHERE true{self._and_scope})"
        if self._relation.over == "moment":
            condition = 'r."at" = m."at"'
        else:
            time = f'CAST(r."{self._relation.time}" AS TIMESTAMP)'
            condition = f"{time} >= m.opens AND {time} < m.closes"
        return (
            f"(SELECT m.i, m.closes, {self._key} AS k, r.* FROM {moment_table(self._moments)} AS m "
            f"JOIN {source} AS r ON {condition} WHERE true{self._and_scope})"
        )

    @property
    def _key(self) -> str:
        if self._shared:
            return f'r."{self._shared.key}"'
        key = f'r."{self._rule.key}"' if self._rule.key else "'*'"
        unit = self._rule.unit
        return f'concat({key}, chr(31), r."{unit}")' if unit else key

    @property
    def _and_scope(self) -> str:
        where = f" AND ({self._rule.where})" if self._rule.where else ""
        if self._shared:
            return where
        columns = [column for column in (self._rule.key, self._rule.unit) if column]
        return where + "".join(f' AND r."{column}" IS NOT NULL' for column in columns)

    def _aggregates(self, terms: Mapping[str, Term]) -> str:
        parts = []
        for name, term in terms.items():
            sql = self._compiler.exact(term.agg or "")
            if term.where:
                sql = f"{sql} FILTER (WHERE {term.where})"
            parts.append(sql if "list(" in sql.lower() else f"({sql})")
            parts[-1] += f' AS "{name}"'
        columns = self._relation.columns
        stored = self._relation.materialize is not None and self._level == "day"
        newest = rank = expires = "NULL"
        if stored or "newest" in columns:
            newest = "newest"
        elif self._relation.time != "i":
            newest = f'"{self._relation.time}"'
        if stored or "evidence_rank" in columns:
            rank = "evidence_rank"
        if "expires_at" in columns and not stored:
            expires = "expires_at"
        weight = "sum(requests)" if self._relation.rollup else "count(*)"
        return ", ".join(
            [
                *parts,
                f"CAST({weight} AS DOUBLE) AS _rows",
                f"epoch(max(CAST({newest} AS TIMESTAMP))) AS _newest",
                f"CAST(coalesce(max({rank}), 0) AS DOUBLE) AS _evidence",
                f"epoch(min(CAST({expires} AS TIMESTAMP))) AS _expires",
            ]
        )

    def _spans(self, first: int, count: int) -> list[slice]:
        """The buckets of each moment's window, clipped to those that were read."""
        starts = np.clip((self._opens - self._offset) // _DAY_US - first, 0, count)
        ends = (self._closes - self._offset) // _DAY_US - first
        stops = np.maximum(np.minimum(ends, count), starts)
        return [slice(*pair) for pair in zip(starts.tolist(), stops.tolist(), strict=True)]


def _microseconds(moment: datetime) -> int:
    """Microseconds since 1970, exact."""
    since = moment - _EPOCH
    return (since.days * _DAY + since.seconds) * _US + since.microseconds


def _merge(blocks: Array, spans: Sequence[slice], how: str, empty: float | None = None) -> Array:
    """Each window's blocks as one value; the order of summing depends on the window alone."""
    starts = np.array([span.start for span in spans], dtype=np.int64)
    lengths = np.array([span.stop for span in spans], dtype=np.int64) - starts
    fill, merge = _MERGES[how]
    merged = np.full((len(spans), blocks.shape[1]), fill)
    for length in np.unique(lengths[lengths > 0]).tolist():
        same = lengths == length
        first = starts[same]
        # one after another: numpy's own sum groups by length, and zeros would change digits
        total = blocks[first]
        for n in range(1, length):
            merge(total, blocks[first + n], out=total)
        merged[same] = total
    if how != "sum" and empty is None:
        merged = np.where(np.isfinite(merged), merged, np.nan)
    elif empty is not None and how != "sum":
        merged = np.where(np.isfinite(merged) | (merged == empty), merged, empty)
    return merged


def _merge_parts(parts: list[ScanResult], moments: int) -> ScanResult:
    if len(parts) == 1:
        return parts[0]
    keys = sorted({key for part in parts for key in part.keys})
    merged = ScanResult(keys, blocks=parts[0].blocks, spans=parts[0].spans)
    merged.zeros = set().union(*(part.zeros for part in parts))
    for part in parts:
        for name, array in part.terms.items():
            merged.terms[name] = spread(array, part.keys, keys, 0.0, moments)
    first = parts[0]
    merged.rows = spread(first.rows, first.keys, keys, 0.0, moments)
    merged.newest = spread(first.newest, first.keys, keys, np.nan, moments)
    merged.evidence = spread(first.evidence, first.keys, keys, -1.0, moments)
    merged.expires = spread(first.expires, first.keys, keys, _FAR, moments)
    if merged.blocks:
        merged.blocks = {
            name: spread(blocks, first.keys, keys, 0.0, len(blocks))
            for name, blocks in merged.blocks.items()
        }
    return merged


def spread(array: Array, keys: list[str], wanted: list[str], fill: float, height: int) -> Array:
    """Columns of ``array`` moved to the positions of ``wanted`` keys; absent ones get ``fill``."""
    if keys == wanted:
        return array
    kind = object if array.dtype == object else float
    moved: Array = np.full((height, len(wanted)), None if kind is object else fill, dtype=kind)
    places = {key: place for place, key in enumerate(wanted)}
    for column, key in enumerate(keys):
        if key in places:
            moved[:, places[key]] = array[:, column]
    return moved


def _add_quantile(result: ScanResult, name: str, term: Term, histograms: Histograms) -> None:
    """Value, bounds and weight of a quantile: geometric middle of the bin, edges for the bounds."""
    shape = (len(result.rows), len(result.keys))
    value, lower, upper, weight = (np.full(shape, np.nan) for _ in range(4))
    places = {key: k for k, key in enumerate(result.keys)}
    cells = [(i, places[key], cell) for (i, key), cell in histograms.items() if key in places]
    if cells:
        at = tuple(np.array([cell[:2] for cell in cells]).T)
        bins = np.concatenate([bins for _, _, (bins, _) in cells])
        # One running total over all cells: counts are whole, so no cell changes another's digits.
        total = np.cumsum(np.concatenate([weights for _, _, (_, weights) in cells]))
        ends = np.cumsum([len(bins) for _, _, (bins, _) in cells])
        before = np.concatenate([[0.0], total[ends[:-1] - 1]])
        sizes = total[ends - 1] - before
        ranks = before[:, None] + _ranks(sizes, term.q)
        low, middle, high = bins[np.searchsorted(total, ranks - 1e-9)].T.tolist()
        value[at] = [_middle(bin_) for bin_ in middle]
        lower[at] = [_edge(bin_) for bin_ in low]
        upper[at] = [_edge(bin_ + 1) for bin_ in high]
        weight[at] = sizes
    result.terms[name] = value
    result.terms[f"{name}_lower"] = lower
    result.terms[f"{name}_upper"] = upper
    result.terms[f"{name}_weight"] = np.nan_to_num(weight)
    result.zeros.add(f"{name}_weight")


def _ranks(sizes: Array, q: float) -> Array:
    """`order_statistic_ranks` of many samples at once, shape (samples, 3): lower bound, quantile,
    upper bound."""
    size = np.maximum(np.round(sizes), 1)
    middle = np.ceil(q * size - 1e-9)
    lower, upper = scipy.stats.binom.ppf(0.025, size, q), scipy.stats.binom.ppf(0.975, size, q) + 1
    ranks: Array = np.stack([lower, middle, upper], axis=-1)
    clipped: Array = np.clip(ranks, 1, size[:, None])
    return clipped


@cache
def _middle(bin_: int) -> float:
    return 0.0 if bin_ == ZERO_BIN else float(2 ** ((bin_ + 0.5) / 32))


@cache
def _edge(bin_: int) -> float:
    return 0.0 if bin_ <= ZERO_BIN + 1 else float(2 ** (bin_ / 32))


def _merge_bins(parts: list[tuple[Array, Array]]) -> tuple[Array, Array]:
    if len(parts) == 1:
        return parts[0]
    bins = np.concatenate([bins for bins, _ in parts])
    weights = np.concatenate([weights for _, weights in parts])
    unique, inverse = np.unique(bins, return_inverse=True)
    return unique, np.bincount(inverse, weights)


def _keys(table: pa.Table) -> tuple[list[str], Array]:
    """Scope keys in order, and for each row the index of its key."""
    encoded = table.column("k").combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    words = [str(word) for word in encoded.dictionary.to_pylist()]
    order = sorted(words)
    places = {word: place for place, word in enumerate(order)}
    position = np.array([places[word] for word in words], dtype=np.int64)
    codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return order, position[codes] if words else np.zeros(0, dtype=np.int64)


def _column(table: pa.Table, name: str) -> Array:
    column = table.column(name)
    if pa.types.is_boolean(column.type) or pa.types.is_decimal(column.type):
        column = column.cast(pa.float64())
    array: Array = column.to_numpy()
    if array.dtype.kind in "iub":
        return array.astype(np.float64)
    return array.astype(np.float64) if array.dtype == object else array


def grain_of(moments: Sequence[Moment]) -> Level | None:
    """The coarsest stored grain on whose buckets all window edges fall."""
    seconds = {edge.timestamp() for m in moments for edge in (m.opens, m.closes)}
    levels: tuple[tuple[Level, int], ...] = (("day", _DAY), ("hour", 3600), ("minute", 60))
    for level, size in levels:
        if all(second % size == 0 for second in seconds):
            return level
    return None
