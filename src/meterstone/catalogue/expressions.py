"""Two small languages of a definition, both checked before anything runs.

*Formulas* combine named terms (``100 * errors / requests``, ``w <= 1000 and x <= 0.1``). They are
Python expressions of a short list of forms, evaluated on arrays: one number a moment and scope.

*SQL* says which rows are counted: an aggregate (``sum(requests) filter (where …)``), a filter, or
a whole relation. It is parsed by sqlglot; only functions from a list that every engine answers
alike are allowed, and every table and column must exist.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlglot
from numpy.typing import NDArray
from sqlglot import exp
from sqlglot.errors import OptimizeError, ParseError, SqlglotError
from sqlglot.optimizer.qualify import qualify

from meterstone.errors import suggest

Array = NDArray[Any]

_BINARY: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
}
_COMPARE: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
}
_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "min": np.fmin,
    "max": np.fmax,
    "abs": np.abs,
    "known": lambda x: ~np.isnan(x),
    "where": np.where,
}

#: Functions that DuckDB, PostgreSQL, ClickHouse and Spark answer alike on our types (or that our
#: own engines rewrite). Anything else in a definition is refused when the catalogue is loaded.
ALLOWED_FUNCTIONS = frozenset(
    "SUM COUNT MIN MAX AVG COALESCE NULLIF ABS FLOOR CEIL ROUND LEAST GREATEST CAST CASE IF EXTRACT "
    "TIMESTAMP_TRUNC DATE_TRUNC TIME_TO_UNIX DATE_DIFF DATE_ADD LAG LEAD FIRST_VALUE LAST_VALUE ROW_NUMBER "
    "RANK ARG_MAX ARG_MIN MAX_BY MIN_BY ANY_VALUE LOGICAL_AND LOGICAL_OR LOWER UPPER CONCAT LENGTH "
    "SPLIT ARRAY_CONTAINS LIST_CONTAINS AND OR NOT QUANTILE_DISC LIST ARRAY_AGG "
    "STARTS_WITH COUNT_IF CURRENT_TIMESTAMP GENERATE_SERIES UNNEST EXISTS".split()
)
_MERGEABLE: Mapping[type[exp.Expression], str] = {
    exp.Sum: "sum",
    exp.Count: "sum",
    exp.CountIf: "sum",
    exp.Min: "min",
    exp.Max: "max",
}


class ExpressionError(ValueError):
    """An expression that cannot be read. ``line`` is 0-based within the expression."""

    def __init__(self, cause: str, mend: str, line: int = 0) -> None:
        super().__init__(cause)
        self.mend = mend
        self.line = line


@dataclass(frozen=True, slots=True)
class Formula:
    """A checked formula over named terms; call it with their arrays."""

    text: str
    names: frozenset[str]
    _tree: ast.expr

    def __call__(self, terms: Mapping[str, Array]) -> Array:
        """The value per moment and scope; a division by zero gives NaN, never an error."""
        with np.errstate(divide="ignore", invalid="ignore"):
            value = np.asarray(_evaluate(self._tree, terms))
        if value.dtype.kind == "f":
            return np.where(np.isfinite(value), value, np.nan)
        return value


def parse_formula(text: str, known: Iterable[str]) -> Formula:
    """A formula over the ``known`` names.

    Raises:
        ExpressionError: a form outside the language, or an unknown name.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        raise ExpressionError(
            f"cannot read the formula {text!r}: {error.msg}",
            "write terms, numbers, + - * /, comparisons, and, or, not, min(), max(), abs()",
        ) from None
    names = frozenset(_names(tree))
    for name in sorted(names - set(known)):
        raise ExpressionError(f"unknown term {name!r} in {text!r}", suggest(name, list(known)))
    return Formula(text, names, tree)


def _names(tree: ast.expr) -> Iterable[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", "")
            if name not in _FUNCTIONS:
                raise ExpressionError(
                    f"unknown function {name!r}", suggest(name, list(_FUNCTIONS))
                )
        elif not isinstance(
            node,
            ast.expr_context | ast.BinOp | ast.UnaryOp | ast.BoolOp | ast.Compare | ast.Name
            | ast.Constant | ast.operator | ast.unaryop | ast.boolop | ast.cmpop,
        ):  # fmt: skip
            raise ExpressionError(
                f"{type(node).__name__} is not part of the formula language",
                "write terms, numbers, + - * /, comparisons, and, or, not, min(), max(), abs()",
            )
    calls = {id(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
    return [n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and id(n) not in calls]


def _evaluate(node: ast.expr, terms: Mapping[str, Array]) -> Any:  # noqa: PLR0911  # one a form
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return terms[name]
        case ast.BinOp(left=left, op=op, right=right):
            return _BINARY[type(op)](_evaluate(left, terms), _evaluate(right, terms))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return np.negative(_evaluate(operand, terms))
        case ast.UnaryOp(operand=operand):
            return np.logical_not(_evaluate(operand, terms))
        case ast.BoolOp(op=op, values=values):
            join = np.logical_and if isinstance(op, ast.And) else np.logical_or
            result = _evaluate(values[0], terms)
            for value in values[1:]:
                result = join(result, _evaluate(value, terms))
            return result
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return _COMPARE[type(op)](_evaluate(left, terms), _evaluate(right, terms))
        case ast.Call(func=ast.Name(id=name), args=args):
            return _FUNCTIONS[name](*(_evaluate(arg, terms) for arg in args))
    raise ExpressionError(f"cannot evaluate {ast.dump(node)}", "compare two values at a time")


def parse_sql(text: str) -> exp.Expression:
    """A SQL expression or query, restricted to the functions that are alike on every engine.

    Raises:
        ExpressionError: it cannot be parsed, or uses another function.
    """
    try:
        tree = sqlglot.parse_one(text, dialect="duckdb")
    except ParseError as error:
        first = error.errors[0] if error.errors else {}
        raise ExpressionError(
            f"cannot read the SQL: {first.get('description', error)} near "
            f"{first.get('highlight', text[:40])!r}",
            "write it in DuckDB's dialect",
            line=int(first.get("line") or 1) - 1,
        ) from None
    for call in tree.find_all(exp.Func):
        name = call.name.upper() if isinstance(call, exp.Anonymous) else call.sql_name()
        if name not in ALLOWED_FUNCTIONS:
            raise ExpressionError(
                f"function {name} is not in the metric language",
                suggest(name, sorted(ALLOWED_FUNCTIONS)),
            )
    return tree


def mergeable(aggregate: exp.Expression) -> str | None:
    """How an aggregate of parts gives the aggregate of the whole: sum, min, max; None: it doesn't."""
    if isinstance(aggregate, exp.Filter):
        aggregate = aggregate.this
    if isinstance(aggregate, exp.Count) and isinstance(aggregate.this, exp.Distinct):
        return None
    return _MERGEABLE.get(type(aggregate))


def columns_of(fragment: exp.Expression) -> set[str]:
    """Column names that a fragment reads."""
    return {column.name for column in fragment.find_all(exp.Column)}


def check_query(text: str, tables: Mapping[str, Iterable[str]]) -> list[str]:
    """The output columns of a query over ``tables``.

    Raises:
        ExpressionError: an unknown table or column, with what to write instead.
    """
    tree = parse_sql(text)
    local = {cte.alias for cte in tree.find_all(exp.CTE)}
    for table in tree.find_all(exp.Table):
        if table.name and table.name not in tables and table.name not in local:
            raise ExpressionError(
                f"unknown fact or relation {table.name!r}", suggest(table.name, list(tables))
            )
    schema = {name: dict.fromkeys(columns, "VARCHAR") for name, columns in tables.items()}
    try:
        resolved = qualify(
            tree.copy(), schema=schema, dialect="duckdb", quote_identifiers=False,
            validate_qualify_columns=True,
        )  # fmt: skip
    except (OptimizeError, SqlglotError) as error:
        known = sorted({column for columns in tables.values() for column in columns})
        cause = str(error).split("\n")[0]
        word = cause.split("'")[1] if "'" in cause else cause.split(" ")[-1]
        raise ExpressionError(cause, suggest(word.split(".")[-1], known)) from None
    return [str(name) for name in resolved.named_selects]  # type: ignore[attr-defined]  # a query
