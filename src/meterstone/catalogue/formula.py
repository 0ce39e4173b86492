"""Formulas combine named terms: ``100 * errors / requests``, ``w <= 1000 and x <= 0.1``.

They are Python expressions of a short list of forms, evaluated on arrays: one number a moment and
scope. Everything else is refused when the catalogue is loaded, so that a formula cannot fail later.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meterstone.catalogue.problems import ExpressionError
from meterstone.errors import suggest

Array = NDArray[Any]

MAX_LENGTH = 2000
MAX_DEPTH = 60

_BINARY: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
}
_UNARY: Mapping[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: np.negative,
    ast.Not: np.logical_not,
}
_BOOLEAN: Mapping[type[ast.boolop], Callable[[Any, Any], Any]] = {
    ast.And: np.logical_and,
    ast.Or: np.logical_or,
}
_COMPARE: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
}
#: Functions with the number of their arguments.
_FUNCTIONS: Mapping[str, tuple[Callable[..., Any], int]] = {
    "min": (np.fmin, 2),
    "max": (np.fmax, 2),
    "abs": (np.abs, 1),
    "known": (lambda x: ~np.isnan(x), 1),
    "where": (np.where, 3),
}
_FORMS = (
    "write terms, numbers, + - * /, one comparison at a time (a < b and b < c), and, or, not, "
    "min(a, b), max(a, b), abs(a), known(a), where(condition, a, b)"
)


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
    tree = _parse(text)
    names = frozenset(_names(tree, text, 0))
    for name in sorted(names - set(known)):
        raise ExpressionError(f"unknown term {name!r} in {text!r}", suggest(name, list(known)))
    return Formula(text, names, tree)


def _parse(text: str) -> ast.expr:
    if len(text) > MAX_LENGTH:
        raise ExpressionError(
            f"a formula has at most {MAX_LENGTH} characters, this one has {len(text)}",
            "compute parts of it in the relation",
        )
    try:
        return ast.parse(" ".join(text.split()), mode="eval").body
    except SyntaxError as error:
        raise ExpressionError(f"cannot read the formula {text!r}: {error.msg}", _FORMS) from None
    except (ValueError, RecursionError, MemoryError):
        raise ExpressionError(f"cannot read the formula {_short(text)}", _FORMS) from None


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:59] + "…")


def _names(node: ast.expr, text: str, depth: int) -> Iterator[str]:
    """Names of terms under a node; refuses every form that `_evaluate` does not know."""
    if depth > MAX_DEPTH:
        raise ExpressionError(
            f"the formula {_short(text)} is nested too deeply",
            "compute parts of it in the relation",
        )
    if isinstance(node, ast.Name):
        yield node.id
    for inner in _operands(node, text):
        yield from _names(inner, text, depth + 1)


def _operands(node: ast.expr, text: str) -> list[ast.expr]:  # noqa: PLR0911  # one a form
    match node:
        case ast.Name():
            return []
        case ast.Constant(value=bool() | int() | float()):
            return []
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return [left, right]
        case ast.UnaryOp(op=no, operand=operand) if type(no) in _UNARY:
            return [operand]
        case ast.BoolOp(values=values):
            return values
        case ast.Compare(left=left, ops=[sign], comparators=[right]) if type(sign) in _COMPARE:
            return [left, right]
        case ast.Call():
            return _arguments(node, text)
    raise ExpressionError(
        f"{ast.unparse(node)!r} in {_short(text)} is not part of the formula language", _FORMS
    )


def _arguments(call: ast.Call, text: str) -> list[ast.expr]:
    name = ast.unparse(call.func)
    if name not in _FUNCTIONS:
        raise ExpressionError(
            f"unknown function {name!r} in {_short(text)}", suggest(name, list(_FUNCTIONS))
        )
    wanted = _FUNCTIONS[name][1]
    if len(call.args) != wanted or call.keywords:
        raise ExpressionError(f"{name}() takes {wanted} values, see {_short(text)}", _FORMS)
    return call.args


def _evaluate(node: ast.expr, terms: Mapping[str, Array]) -> Any:  # noqa: PLR0911  # one a form
    match node:
        case ast.Constant():
            return node.value
        case ast.Name():
            return terms[node.id]
        case ast.BinOp():
            return _BINARY[type(node.op)](_evaluate(node.left, terms), _evaluate(node.right, terms))
        case ast.UnaryOp():
            return _UNARY[type(node.op)](_evaluate(node.operand, terms))
        case ast.BoolOp():
            return _joined(node, terms)
        case ast.Compare():
            return _COMPARE[type(node.ops[0])](
                _evaluate(node.left, terms), _evaluate(node.comparators[0], terms)
            )
        case ast.Call(func=ast.Name(id=name), args=args):
            return _FUNCTIONS[name][0](*(_evaluate(arg, terms) for arg in args))
    raise AssertionError(f"{ast.dump(node)} passed the checks of parse_formula")


def _joined(node: ast.BoolOp, terms: Mapping[str, Array]) -> Any:
    join = _BOOLEAN[type(node.op)]
    result = _evaluate(node.values[0], terms)
    for value in node.values[1:]:
        result = join(result, _evaluate(value, terms))
    return result
