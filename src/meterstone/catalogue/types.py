"""What kind of value an expression gives: a text, a number, a time, or true and false.

Found by sqlglot from the types of the columns. Where it finds none, nothing is refused: a wrong
type is then told by the engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from sqlglot import exp
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.schema import MappingSchema

from meterstone.catalogue.problems import ExpressionError

Kind = Literal["text", "number", "time", "truth", "unknown"]
Columns = Mapping[str, str]
"""Columns by name with their SQL type; ``UNKNOWN`` where it is not known."""

UNKNOWN = "UNKNOWN"

_OF_FACTS: Mapping[str, str] = {
    "string": "VARCHAR",
    "uri": "VARCHAR",
    "enum": "VARCHAR",
    "timestamp": "TIMESTAMP",
    "date": "DATE",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "decimal": "DECIMAL(18, 2)",
    "boolean": "BOOLEAN",
}
_WORDS: Mapping[Kind, str] = {
    "text": "text",
    "number": "a number",
    "time": "a time",
    "truth": "true or false",
    "unknown": "unknown",
}
_ADDING: Mapping[type[exp.Expr], str] = {
    exp.Sum: "sum",
    exp.Median: "median",
    exp.PercentileDisc: "quantile_disc",
    exp.Avg: "avg",
}
_COMPARING = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ)
_INSTEAD: Mapping[Kind, str] = {
    "text": "count what it says: count(*) filter (where column = 'word')",
    "time": "write epoch(column), its seconds",
    "truth": "write count(*) filter (where column)",
}
_WANTED: Mapping[Kind, str] = {
    "truth": "write a comparison: column = value",
    "time": "read a column that is a time",
}


def of_facts(columns: Mapping[str, str]) -> dict[str, str]:
    """SQL types of the columns of a fact."""
    return {name: _OF_FACTS.get(type_, UNKNOWN) for name, type_ in columns.items()}


def of_query(resolved: exp.Query, tables: Mapping[str, Columns]) -> dict[str, str]:
    """Output columns of a resolved query with their types.

    Raises:
        ExpressionError: values of different kinds are compared, or a time is expected.
    """
    typed = _annotated(resolved, tables)
    _check_operands(typed)
    return {
        name: _sql(column)
        for name, column in zip(resolved.named_selects, typed.selects, strict=True)
    }


def check_aggregate(aggregate: exp.Expr, columns: Columns) -> Kind:
    """What kind of value a term is: a number (or true and false, as 1 and 0), or a text to show.

    Raises:
        ExpressionError: it is a time, or adds up something else than numbers.
    """
    typed = _typed(aggregate, columns)
    _check_operands(typed)
    for condition in typed.find_all(exp.Filter):
        _need(condition.expression.this, "truth", "the condition")
    for call in typed.find_all(*_ADDING):
        _need(call.this, "number", f"what {_ADDING[type(call)]}() reads")
    found = kind_of(_given(typed))
    if found == "time":
        raise ExpressionError("a term is a number, not a time", _INSTEAD[found])
    return found


def check_condition(condition: exp.Expr, columns: Columns) -> None:
    """A condition is true or false.

    Raises:
        ExpressionError: it is something else.
    """
    typed = _typed(condition, columns)
    _check_operands(typed)
    _need(typed, "truth", "the condition")


def check_number(value: exp.Expr, columns: Columns) -> None:
    """A value of one row that is counted with is a number.

    Raises:
        ExpressionError: it is something else.
    """
    typed = _typed(value, columns)
    _check_operands(typed)
    _need(typed, "number", "the value")


def kind_of(node: exp.Expr) -> Kind:
    """Kind of a node whose type was found."""
    if node.is_type(*exp.DataType.TEXT_TYPES):
        return "text"
    if node.is_type(*exp.DataType.NUMERIC_TYPES):
        return "number"
    if node.is_type(*exp.DataType.TEMPORAL_TYPES):
        return "time"
    return "truth" if node.is_type(exp.DataType.Type.BOOLEAN) else "unknown"


def _typed(fragment: exp.Expr, columns: Columns) -> exp.Expr:
    """A fragment over the columns of one relation, with types."""
    copy = fragment.copy()
    for column in copy.find_all(exp.Column):
        column.set("table", exp.to_identifier("t"))
    select = exp.select(copy).from_("t")
    return _annotated(select, {"t": columns}).selects[0]


def _annotated(query: exp.Query, tables: Mapping[str, Columns]) -> exp.Query:
    return annotate_types(query, schema=schema_of(tables), dialect="duckdb")


def schema_of(tables: Mapping[str, Columns]) -> MappingSchema:
    """Tables as sqlglot reads them; names of facts and relations are normal as they stand."""
    schema: dict[str, object] = {name: dict(columns) for name, columns in tables.items()}
    return MappingSchema(schema, dialect="duckdb", normalize=False)


def _given(aggregate: exp.Expr) -> exp.Expr:
    """What an aggregate gives: arg_max(a, b) gives an a."""
    if isinstance(aggregate, exp.Filter | exp.ArgMax | exp.ArgMin):
        return _given(aggregate.this)
    return aggregate


def _sql(column: exp.Expr) -> str:
    return column.type.sql() if column.type and not column.is_type("NULL") else UNKNOWN


def _need(node: exp.Expr, wanted: Kind, what: str) -> None:
    found = kind_of(node)
    if found not in (wanted, "unknown"):
        cause = f"{what} is {_WORDS[found]}, not {_WORDS[wanted]}"
        mend = _INSTEAD[found] if wanted == "number" else _WANTED[wanted]
        raise ExpressionError(cause, mend, line_of(node))


def _check_operands(tree: exp.Expr) -> None:
    for call in tree.find_all(exp.TimeToUnix, exp.TimestampTrunc):
        if not _is_word(call.this):
            _need(call.this, "time", "what is taken apart")
    for node in tree.find_all(*_COMPARING):
        sides = [side for side in (node.this, node.expression) if not _is_word(side)]
        kinds: list[Kind] = [kind for side in sides if (kind := kind_of(side)) != "unknown"]
        if len(set(kinds)) > 1:
            raise ExpressionError(
                f"{_WORDS[kinds[0]]} is compared with {_WORDS[kinds[1]]}",
                "compare values of one kind",
                line_of(node),
            )


def _is_word(node: exp.Expr) -> bool:
    """A quoted literal is read as what it is compared with."""
    return isinstance(node, exp.Literal) and node.is_string


def line_of(node: exp.Expr) -> int:
    """Line (0-based) of the first part of a node whose place is known."""
    return next((int(i.meta["line"]) - 1 for i in node.walk() if "line" in i.meta), 0)
