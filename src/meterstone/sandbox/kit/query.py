"""What the query languages of vendors have in common (QuickBooks' SQL, SOQL): words and conditions.

A condition becomes a function from a record to true or false. The bounds that it sets on one field
can be asked for, so that a stand-in looks only at records that changed since.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal

Record = Mapping[str, Any]
Test = Callable[[Record], bool]
_MICROSECOND = timedelta(microseconds=1)
Kind = Literal["word", "text", "number", "moment", "sign", "end"]

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<text>'(?:[^'\\]|\\.)*')
    | (?P<moment>\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?)
    | (?P<number>[+-]?\d+(?:\.\d+)?)
    | (?P<word>[A-Za-z_][\w.]*)
    | (?P<sign><>|!=|<=|>=|[=<>(),*:])
    )""",
    re.VERBOSE,
)
_SIGNS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<>": operator.ne, "<": operator.lt, "<=": operator.le,
    ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


class QueryProblem(Exception):  # the stand-in renders it as its vendor does
    """A query that cannot be read.

    Attributes:
        why: what is wrong.
        position: where in the text, counted from 0.
    """

    def __init__(self, why: str, position: int = 0) -> None:
        super().__init__(why)
        self.why, self.position = why, position


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a query; the value of a text has no quotes, of a moment it is a datetime."""

    kind: Kind
    value: Any
    position: int


@dataclass(slots=True)
class Condition:
    """A condition that was read.

    Attributes:
        test: whether a record fulfils it.
        bounds: (field, sign, value) that hold for every record that fulfils it.
        whole: whether the bounds say all that the condition does.
    """

    test: Test
    bounds: list[tuple[str, str, Any]] = field(default_factory=list)
    whole: bool = False

    def window(self, name: str, step: timedelta) -> tuple[datetime | None, datetime | None, bool]:
        """Between which moments a field must lie, where its values are whole steps.

        Returns:
            [since, until), None where unbounded; and whether the condition says no more than that.
        """
        since: datetime | None = None
        until: datetime | None = None
        exact = self.whole
        for of, sign, value in self.bounds:
            at = as_moment(value)
            if of != name or at is None or sign in ("!=", "<>"):
                exact = False
                continue
            whole = at - timedelta(microseconds=at.microsecond % (step // _MICROSECOND))
            if sign in (">", ">=", "="):
                first = whole if whole == at and sign != ">" else whole + step
                since = max(since or first, first)
            if sign in ("<", "<=", "="):
                last = whole if whole == at and sign == "<" else whole + step
                until = min(until or last, last)
        return since, until, exact


def tokens(text: str) -> list[Token]:
    """The words of a query, an end behind them.

    Raises:
        QueryProblem: a character that no word begins with, or a text without its end.
    """
    found: list[Token] = []
    position = 0
    while text[position:].strip():
        match = _TOKEN.match(text, position)
        if match is None:
            raise QueryProblem(f"unexpected {text[position:].strip()[:20]!r}", position)
        kind: Any = match.lastgroup
        word = match.group(kind)
        found.append(Token(kind, _value(kind, word), match.start(kind)))
        position = match.end()
    return [*found, Token("end", "", len(text))]


def _value(kind: str, word: str) -> Any:
    if kind == "text":
        return re.sub(r"\\(.)", r"\1", word[1:-1])
    if kind == "number":
        return float(word)
    return word if kind != "moment" else (as_moment(word) or word)


class Reader:
    """Reads a query from left to right.

    Args:
        text: the query.
        known: whether a name is a field; another one is refused by ``unknown``.
        check: refuses a value that a field (name, value, position) cannot be compared with.

    Attributes:
        named: the fields that were read so far.
    """

    def __init__(
        self, text: str, *, unknown: Callable[[str, int], QueryProblem] | None = None,
        known: Callable[[str], bool] = lambda _name: True,
        check: Callable[[str, Any, int], None] = lambda _name, _value, _at: None,
    ) -> None:  # fmt: skip
        self._check = check
        self.named: set[str] = set()
        self._tokens = tokens(text)
        self._at = 0
        self._known = known
        self._unknown = unknown or (lambda name, at: QueryProblem(f"no field {name!r}", at))

    @property
    def all(self) -> Sequence[Token]:
        """Every word."""
        return self._tokens

    @property
    def next(self) -> Token:
        """The word that comes next."""
        return self._tokens[self._at]

    def take(self, *words: str) -> str | None:
        """The next word or sign when it is one of these, in capitals; else nothing is read."""
        token = self.next
        if token.kind in ("word", "sign") and str(token.value).upper() in words:
            self._at += 1
            return str(token.value).upper()
        return None

    def need(self, *words: str) -> str:
        """As `take`, but it must be there."""
        found = self.take(*words)
        if found is None:
            raise self.problem(f"expected {' or '.join(words)}")
        return found

    def word(self, what: str) -> str:
        """A name."""
        token = self.next
        if token.kind != "word":
            raise self.problem(f"expected {what}")
        self._at += 1
        return str(token.value)

    def whole_number(self, what: str, low: int = 0) -> int:
        """A whole number of at least ``low``."""
        token = self.next
        if token.kind != "number" or token.value != int(token.value) or token.value < low:
            raise self.problem(f"expected {what}, a whole number of at least {low}")
        self._at += 1
        return int(token.value)

    def end(self) -> None:
        """Nothing may come any more."""
        if self.next.kind != "end":
            raise self.problem("unexpected word")

    def problem(self, why: str) -> QueryProblem:
        """What is wrong at the word that comes next."""
        token = self.next
        near = "the end" if token.kind == "end" else repr(str(token.value))
        return QueryProblem(f"{why} at {near}", token.position)

    def field(self) -> str:
        """The name of a field."""
        at = self.next.position
        name = self.word("a field")
        if not self._known(name):
            raise self._unknown(name, at)
        self.named.add(name)
        return name

    def condition(self) -> Condition:
        """Comparisons joined by and, or, not, and parentheses."""
        parts = [self._all()]
        while self.take("OR"):
            parts.append(self._all())
        if len(parts) == 1:
            return parts[0]
        tests = [part.test for part in parts]
        return Condition(lambda record: any(test(record) for test in tests))

    def _all(self) -> Condition:
        parts = [self._one()]
        while self.take("AND"):
            parts.append(self._one())
        if len(parts) == 1:
            return parts[0]
        tests = [part.test for part in parts]
        return Condition(
            lambda record: all(test(record) for test in tests),
            [bound for part in parts for bound in part.bounds],
            all(part.whole for part in parts),
        )

    def _one(self) -> Condition:
        if self.take("NOT"):
            inner = self._one().test
            return Condition(lambda record: not inner(record))
        if self.take("("):
            condition = self.condition()
            self.need(")")
            return condition
        return self._comparison()

    def _comparison(self) -> Condition:
        name = self.field()
        negated = self.take("NOT") is not None
        sign = self.need("IN", "LIKE") if negated else self.need("IN", "LIKE", *_SIGNS)
        if sign == "IN":
            return _either(negated, _one_of(name, self._list(name)))
        value = self._literal(name)
        if sign == "LIKE":
            return _either(negated, _like(name, str(value)))
        return Condition(
            lambda record: compare(value_at(record, name), sign, value), [(name, sign, value)], True
        )

    def _list(self, name: str) -> Collection[Any]:
        self.need("(")
        values = [self._literal(name)]
        while self.take(","):
            values.append(self._literal(name))
        self.need(")")
        return values

    def _literal(self, name: str) -> Any:
        token = self.next
        value = token.value
        if token.kind in ("text", "number", "moment"):
            self._at += 1
        else:
            word = self.take("TRUE", "FALSE", "NULL")
            if word is None:
                raise self.problem("expected a value")
            value = {"TRUE": True, "FALSE": False, "NULL": None}[word]
        self._check(name, value, token.position)
        return value


def value_at(record: Record, path: str) -> Any:
    """The value of a field; dots lead into records within it; None where it is absent."""
    value: Any = record
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def compare(value: Any, sign: str, wanted: Any) -> bool:
    """Whether a comparison holds; nothing is unequal to everything but nothing."""
    if value is None or wanted is None:
        return bool(_SIGNS[sign](value, wanted)) if sign in ("=", "!=", "<>") else False
    left, right = _alike(value, wanted)
    return bool(_SIGNS[sign](left, right))


def sort_key(value: Any) -> tuple[int, Any]:
    """Sorts values of one field: nothing first, then numbers, moments, texts."""
    if value is None:
        return 0, 0
    if isinstance(value, bool | int | float):
        return 1, float(value)
    moment = as_moment(str(value))
    return (2, moment.timestamp()) if moment else (3, str(value).casefold())


def as_moment(value: Any) -> datetime | None:
    """A text of a day or a moment as an aware datetime (UTC where it names no offset)."""
    if isinstance(value, datetime):
        return value
    text = str(value)
    try:
        if len(text) == 10:
            return datetime.combine(date.fromisoformat(text), time(), UTC)
        found = datetime.fromisoformat(re.sub(r"(.*T.*[+-]\d\d)(\d\d)$", r"\1:\2", text))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _alike(value: Any, wanted: Any) -> tuple[Any, Any]:
    """Both as the same type; texts of either side are read as what the other one is."""
    if isinstance(value, bool) or isinstance(wanted, bool):
        return str(value).casefold(), str(wanted).casefold()
    if isinstance(value, int | float):
        try:
            return float(value), float(wanted)
        except (TypeError, ValueError):
            return str(value), str(wanted)
    left, right = as_moment(value), as_moment(wanted)
    if left and right:
        return left, right
    return str(value).casefold(), str(wanted).casefold()


def _either(negated: bool, test: Test) -> Condition:
    return Condition((lambda record: not test(record)) if negated else test)


def _one_of(name: str, wanted: Collection[Any]) -> Test:
    return lambda record: any(compare(value_at(record, name), "=", value) for value in wanted)


def _like(name: str, pattern: str) -> Test:
    parts = {"%": ".*", "_": "."}
    text = "".join(parts.get(letter, re.escape(letter)) for letter in pattern)
    compiled = re.compile(text, re.IGNORECASE | re.DOTALL)
    return lambda record: bool(compiled.fullmatch(str(value_at(record, name) or "")))
