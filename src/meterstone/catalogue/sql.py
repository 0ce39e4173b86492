"""SQL of a definition: a whole relation, an aggregate, or a condition.

It is written in DuckDB's dialect and parsed by sqlglot. Only functions that every engine answers
alike are allowed, so no clock, no random number, no file and nothing that depends on the order in
which rows are read; and every table and column must exist.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError, TokenError
from sqlglot.optimizer.qualify import qualify

from meterstone.catalogue.problems import ExpressionError
from meterstone.catalogue.types import Columns, line_of, of_query
from meterstone.errors import suggest

Merge = Literal["sum", "min", "max"]
Functions = Mapping[str, tuple[type[exp.Func], ...]]

SCALARS: Functions = {
    "abs": (exp.Abs,),
    "and": (exp.And,),
    "case": (exp.Case, exp.If),
    "cast": (exp.Cast,),
    "ceil": (exp.Ceil,),
    "coalesce": (exp.Coalesce,),
    "concat": (exp.Concat,),
    "date_add": (exp.DateAdd,),
    "date_diff": (exp.DateDiff,),
    "date_trunc": (exp.TimestampTrunc, exp.DateTrunc),
    "epoch": (exp.TimeToUnix,),
    "exists": (exp.Exists,),
    "exp": (exp.Exp,),
    "extract": (exp.Extract,),
    "floor": (exp.Floor,),
    "greatest": (exp.Greatest,),
    "if": (exp.If,),
    "least": (exp.Least,),
    "length": (exp.Length,),
    "list_contains": (exp.ArrayContains,),
    "ln": (exp.Ln,),
    "lower": (exp.Lower,),
    "nullif": (exp.Nullif,),
    "or": (exp.Or,),
    "round": (exp.Round,),
    "starts_with": (exp.StartsWith,),
    "string_split": (exp.Split,),
    "upper": (exp.Upper,),
}
"""One row in, one value out; names as written, with the nodes they are parsed to."""

OPERATORS: Functions = {"@>": (exp.ArrayContainsAll,)}
"""Operators that sqlglot parses as functions: a list that contains all of another one."""

AGGREGATES: Functions = {
    "arg_max": (exp.ArgMax,),
    "arg_min": (exp.ArgMin,),
    "bool_and": (exp.LogicalAnd,),
    "bool_or": (exp.LogicalOr,),
    "count": (exp.Count,),
    "count_if": (exp.CountIf,),
    "max": (exp.Max,),
    "median": (exp.Median,),
    "min": (exp.Min,),
    "quantile_disc": (exp.PercentileDisc,),
    "sum": (exp.Sum,),
}
"""What a term may aggregate by: the same digits whatever the order of the rows."""

RELATIONAL: Functions = {
    "avg": (exp.Avg,),
    "first_value": (exp.FirstValue,),
    "lag": (exp.Lag,),
    "last_value": (exp.LastValue,),
    "lead": (exp.Lead,),
    "rank": (exp.Rank,),
    "row_number": (exp.RowNumber,),
}
"""More functions for the SQL of a relation."""

INSTEAD: Mapping[str, str] = {
    "any_value": "write max(), so that the same rows always give the same value",
    "avg": "write sum() and count() as two terms and divide them in a formula",
    "first": "write arg_min(value, time), so that the same rows always give the same value",
    "last": "write arg_max(value, time), so that the same rows always give the same value",
    "now": "use `at` of `moment`: a past day must give the same value again",
    "current_timestamp": "use `at` of `moment`: a past day must give the same value again",
    "current_date": "use `at` of `moment`: a past day must give the same value again",
    "list": "write `resample:` for the rows of a bootstrap",
    "array_agg": "write `resample:` for the rows of a bootstrap",
    "approx_quantile": "write `quantile_of:` for a term, quantile_disc() in a relation",
    "quantile_cont": "write `quantile_of:` for a term, quantile_disc() in a relation",
    "random": "take the rows there are; intervals are made by `uncertainty:`",
    "rand": "take the rows there are; intervals are made by `uncertainty:`",
}
"""Functions that are refused on purpose, with what to write."""

_MERGEABLE: Mapping[type[exp.Expr], Merge] = {
    exp.Sum: "sum",
    exp.Count: "sum",
    exp.CountIf: "sum",
    exp.Min: "min",
    exp.Max: "max",
}
_LINE = re.compile(r"\. Line: (\d+), Col: \d+")
_NAME = re.compile(r"[a-zA-Z_]\w*")


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed relation: its SQL and the facts and relations that it reads, sorted."""

    text: str
    tree: exp.Query
    tables: tuple[str, ...]


def parse_query(text: str) -> Query:
    """The SQL of a relation: one SELECT (or several joined by UNION).

    Raises:
        ExpressionError: not SQL, not a SELECT, or a function or parameter outside the language.
    """
    tree = _parse(_without_parameters(text))
    if not isinstance(tree, exp.Query):
        raise ExpressionError("the SQL of a relation is one SELECT", "write SELECT … FROM …")
    _refuse(
        tree,
        (exp.DDL, exp.DML, exp.Command, exp.Into, exp.TableSample, exp.Pivot),
        "{} is not part of the metric language",
        "a relation only selects rows, all of them",
    )
    _refuse_recursion(tree)
    _refuse_parameters(tree, text, "the parameters are $start and $end")
    _refuse_functions(tree, {**SCALARS, **AGGREGATES, **RELATIONAL})
    return Query(text, tree, tuple(sorted(set(_tables(tree)))))


def parse_value(text: str) -> exp.Expr:
    """A condition or a value of one row (``where``, ``quantile_of``, ``weight``).

    Raises:
        ExpressionError: not SQL, or more than an expression over the columns of one row.
    """
    tree = _parse_expression(text)
    _refuse(
        tree,
        (exp.AggFunc,),
        "{} is an aggregate: this is read for one row at a time",
        "write an expression over columns, such as status = 'failed'",
    )
    _refuse_functions(tree, SCALARS)
    return tree


def parse_aggregate(text: str) -> exp.Expr:
    """What a term aggregates: ``sum(requests) filter (where outcome = 'error')``.

    Raises:
        ExpressionError: not SQL, or no aggregate of rows.
    """
    tree = _parse_expression(text)
    _refuse_functions(tree, {**SCALARS, **AGGREGATES})
    if not any(True for _ in tree.find_all(exp.AggFunc)):
        raise ExpressionError(
            f"{text!r} aggregates nothing", "write an aggregate, such as sum(amount) or count(*)"
        )
    _refuse_columns_outside(tree)
    _refuse_nested(tree)
    return tree


def mergeable(aggregate: exp.Expr) -> Merge | None:
    """How an aggregate of parts gives that of the whole: sum, min, max; None: it does not."""
    if isinstance(aggregate, exp.Filter):
        aggregate = aggregate.this
    if isinstance(aggregate, exp.Count) and isinstance(aggregate.this, exp.Distinct):
        return None
    return _MERGEABLE.get(type(aggregate))


def check_columns(fragment: exp.Expr, owner: str, columns: Iterable[str]) -> None:
    """Every column of a fragment must be one of ``columns``.

    Raises:
        ExpressionError: an unknown column, with its line and what to write instead.
    """
    known = set(columns)
    for column in fragment.find_all(exp.Column):
        if column.table:
            raise ExpressionError(
                f"{column.sql()!r} names a table", f"write {column.name}", line_of(column)
            )
        if column.name not in known:
            raise ExpressionError(
                f"{owner} has no column {column.name!r}",
                suggest(column.name, list(known)),
                line_of(column),
            )


def columns_of_query(query: Query, tables: Mapping[str, Columns]) -> dict[str, str]:
    """The output columns of a query over ``tables``, with their types.

    Raises:
        ExpressionError: an unknown table or column, an output column without a name of its own, or
            a comparison of values of different kinds.
    """
    _refuse_tables(query.tree, tables)
    schema: dict[str, object] = {name: dict(columns) for name, columns in tables.items()}
    try:
        resolved = qualify(
            query.tree.copy(), schema=schema, dialect="duckdb", quote_identifiers=False
        )
    except SqlglotError as error:
        raise _unresolved(str(error), query.tree, tables) from None
    except RecursionError:
        raise _too_deep() from None
    _refuse_unresolved(resolved, tables)
    _refuse_bad_names(resolved.named_selects)
    return of_query(resolved, tables)


def _parse(text: str) -> exp.Expr:
    try:
        return sqlglot.parse_one(text, dialect="duckdb")
    except ParseError as error:
        raise _syntax_error(error) from None
    except TokenError:
        raise ExpressionError(
            "cannot read the SQL: a quote or a comment is not closed",
            "close it on this line",
            _unclosedline_of(text),
        ) from None
    except RecursionError:
        raise _too_deep() from None


def _too_deep() -> ExpressionError:
    return ExpressionError(
        "the SQL is nested too deeply", "split it into relations that read each other"
    )


def _parse_expression(text: str) -> exp.Expr:
    tree = _parse(text)
    if not isinstance(tree, exp.Condition | exp.Filter):
        raise ExpressionError(
            f"{text!r} is not an expression over columns",
            "write a condition or an aggregate, without SELECT, FROM and AS",
        )
    _refuse(
        tree,
        (exp.Query, exp.Window),
        "{} belongs into a relation",
        "write a relation (`sql:`) and let the term read it (`from:`)",
    )
    _refuse_parameters(tree, text, "use the window of the term")
    return tree


def _syntax_error(error: ParseError) -> ExpressionError:
    first = error.errors[0] if error.errors else {}
    what = str(first.get("description") or error).split("<class")[0].removesuffix(" for ")
    near = first.get("highlight")
    return ExpressionError(
        f"cannot read the SQL: {what}" + (f" near {near!r}" if near else ""),
        "write it in DuckDB's dialect",
        line=int(first.get("line") or 1) - 1,
    )


def _unclosedline_of(text: str) -> int:
    """Line (0-based) from which on no prefix of the text can be split into tokens."""
    lines = text.split("\n")
    closed = [n for n in range(len(lines)) if _tokenizes("\n".join(lines[:n]))]
    return max(closed, default=0)


def _tokenizes(text: str) -> bool:
    try:
        sqlglot.tokenize(text, dialect="duckdb")
    except TokenError:
        return False
    return True


def _without_parameters(sql: str) -> str:
    """SQL in which ``$start``, ``$end`` stand as literals, for checking."""
    return re.sub(r"\$(start|end)\b", "TIMESTAMP '2000-01-01'", sql)


def _refuse(tree: exp.Expr, kinds: tuple[type[exp.Expr], ...], cause: str, mend: str) -> None:
    for node in tree.find_all(*kinds):
        raise ExpressionError(cause.format(node.key.upper()), mend, line_of(node))


def _refuse_parameters(tree: exp.Expr, text: str, mend: str) -> None:
    for node in tree.find_all(exp.Placeholder, exp.Parameter):
        name = node.sql(dialect="duckdb")
        line = text.count("\n", 0, max(text.find(name), 0))
        raise ExpressionError(f"unknown parameter {name}", mend, line)


def _refuse_recursion(tree: exp.Expr) -> None:
    for clause in tree.find_all(exp.With):
        if clause.recursive:
            raise ExpressionError(
                "WITH RECURSIVE is not part of the metric language",
                "write WITH: a relation reads facts and other relations",
                line_of(clause),
            )


def _refuse_functions(tree: exp.Expr, allowed: Functions) -> None:
    nodes = {node for kinds in (*allowed.values(), *OPERATORS.values()) for node in kinds}
    for call in tree.find_all(exp.Func):
        if type(call) not in nodes:
            name = call.name if isinstance(call, exp.Anonymous) else _written_name(call)
            raise ExpressionError(
                f"{name}() is not in the metric language here",
                INSTEAD.get(name.lower()) or suggest(name.lower(), list(allowed)),
                line_of(call),
            )


def _written_name(call: exp.Func) -> str:
    for name, kinds in {**SCALARS, **AGGREGATES, **RELATIONAL}.items():
        if type(call) in kinds:
            return name
    return call.sql_name().lower()


def _refuse_columns_outside(tree: exp.Expr) -> None:
    for column in tree.find_all(exp.Column):
        if column.find_ancestor(exp.AggFunc, exp.Filter) is None:
            raise ExpressionError(
                f"column {column.name!r} stands outside of an aggregate",
                f"write max({column.name}) or sum({column.name})",
                line_of(column),
            )


def _refuse_nested(tree: exp.Expr) -> None:
    for call in tree.find_all(exp.AggFunc):
        if call.find_ancestor(exp.AggFunc, exp.Where):
            raise ExpressionError(
                f"{_written_name(call)}() stands inside of another aggregate",
                "aggregate once in a relation and once in the term",
                line_of(call),
            )


def _tables(tree: exp.Expr) -> Iterator[str]:
    local = {cte.alias for cte in tree.find_all(exp.CTE)}
    for table in tree.find_all(exp.Table):
        if table.db:
            raise ExpressionError(
                f"{table.sql(dialect='duckdb')!r} names a schema",
                f"write {table.name}: a relation reads facts and relations",
                line_of(table),
            )
        if table.name not in local:
            yield table.name


def _refuse_tables(tree: exp.Expr, known: Mapping[str, Iterable[str]]) -> None:
    local = {cte.alias for cte in tree.find_all(exp.CTE)}
    for table in tree.find_all(exp.Table):
        if table.name not in known and table.name not in local:
            raise ExpressionError(
                f"unknown fact or relation {table.name!r}",
                suggest(table.name, list(known)),
                line_of(table),
            )


def _unresolved(
    message: str, tree: exp.Expr, tables: Mapping[str, Iterable[str]]
) -> ExpressionError:
    """sqlglot's message about a column or table in our words, with the line."""
    found = _LINE.search(message)
    cause = _LINE.sub("", message).split("\n")[0]
    word = (_NAME.findall(cause.partition("Column ")[2] or cause.rpartition(" ")[2]) or [""])[0]
    line = int(found[1]) - 1 if found else _line_of_name(tree, word)
    known = {column for columns in tables.values() for column in columns}
    return ExpressionError(cause, suggest(word, list(known)), line)


def _refuse_unresolved(tree: exp.Expr, tables: Mapping[str, Iterable[str]]) -> None:
    """Columns that `qualify` could not tie to a table and that are no output either."""
    known = {column for columns in tables.values() for column in columns}
    for column in tree.find_all(exp.Column):
        select = column.find_ancestor(exp.Select)
        if not column.table and not (select and column.name in select.named_selects):
            raise ExpressionError(
                f"unknown column {column.name!r}",
                suggest(column.name, list(known)),
                line_of(column),
            )


def _refuse_bad_names(names: list[str]) -> None:
    for index, name in enumerate(names):
        if name.startswith("_col_") or not name:
            raise ExpressionError(
                f"output column {index + 1} has no name", "give it one: … AS name"
            )
        if name in names[:index]:
            raise ExpressionError(
                f"two output columns are named {name!r}", "rename one: … AS other_name"
            )


def _line_of_name(tree: exp.Expr, name: str) -> int:
    for identifier in tree.find_all(exp.Identifier):
        if identifier.name == name:
            return line_of(identifier)
    return 0
