"""The systems of the framework as classes: same class, method and key names, measured values.

The classes are made from the refs of the framework's catalogue::

    from meterstone.framework import IntegrationHealthMonitor

    IntegrationHealthMonitor(home).track_performance_metrics()["error_rate"]
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any, Protocol

from meterstone.catalogue import Catalogue, Metric, Place, framework_path
from meterstone.catalogue.reading import read_sources
from meterstone.catalogue.units import factor
from meterstone.errors import InputError, suggest
from meterstone.measure.results import MetricResult, Value, rfc3339
from meterstone.scorecard import VERDICTS, format_value

ATTRIBUTES = ("target_metrics", "measurement_frequency", "success_threshold")
"""What is an attribute in the framework's document; everything else is a method."""

_NUMBER = re.compile(
    r"(?P<sign>[+-]?)(?P<money>\$?)(?P<digits>\d[\d,]*(?:\.\d+)?)(?P<scale>[KM]?)\+?"
)
_SCALES = {"": 1.0, "K": 1e3, "M": 1e6}
_OF = re.compile(r"(?:%|/\d+(?:\.\d+)?)?")  # "%", or "/5.0" of a rating
_CLAIM = re.compile(r"^✅\s*")
_MOST_DECIMALS = 8
_NOISE = 1e-12


class Measures(Protocol):
    """An opened home, as far as the classes need it."""

    @property
    def catalogue(self) -> Catalogue:
        """The definitions of the home."""

    def results(
        self, metrics: Iterable[str], at: datetime | None, known_at: datetime | None
    ) -> tuple[datetime, list[MetricResult]]:
        """The moment measured, and the results of some metrics at all their scopes."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What is measured where the framework has a literal.

    Attributes:
        value: number in ``unit``, word, boolean, or None where there is none.
        unit: of the value; the target has its own.
        verdict: at this place of the framework, by its own target.
        target: what the framework asks for.
        evidence: weakest level among the rows used; None without rows.
        as_of: the moment that was measured.
        ref, literal: the place, and its text in the framework.
        interval: 95 % bounds in ``unit``; None where the method gives none.
        n: sample size.
        reason: the verdict in words, with what would have to change.
    """

    value: Value
    unit: str
    verdict: str
    target: Mapping[str, Any]
    evidence: str | None
    as_of: datetime
    ref: str
    literal: str
    interval: tuple[float, float] | None = None
    n: int = 0
    reason: str = ""

    def __str__(self) -> str:
        """The value, written as the framework writes its literal."""
        return _like(self.literal, self.value, self.unit, self.target, self.verdict)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready fields, the text among them."""
        return {
            "ref": self.ref,
            "value": self.value,
            "text": str(self),
            "unit": self.unit,
            "verdict": self.verdict,
            "target": dict(self.target),
            "literal": self.literal,
            "evidence": self.evidence,
            "as_of": rfc3339(self.as_of),
            "interval": list(self.interval) if self.interval else None,
            "n": self.n,
            "reason": self.reason,
        }


Shape = dict[str, Any]
"""Nested dictionaries in the order of the framework; `Measured` at the leaves."""


class System:
    """One measurement system of the framework; its subclasses are named as in the document.

    Args:
        home: an opened home (`meterstone.app.Home`).
        at: the moment that is measured, UTC; None: now.
        known_at: only what was recorded by then counts; None: all that is known.
    """

    refs: tuple[str, ...] = ()

    def __init__(
        self, home: Measures, at: datetime | None = None, known_at: datetime | None = None
    ) -> None:
        self._home = home
        self._at = at
        self._known_at = known_at
        self._shape: Shape | None = None

    @classmethod
    def parts(cls) -> list[str]:
        """Names of its methods and attributes, in the order of the framework."""
        return list(dict.fromkeys(ref.split(".")[1] for ref in cls.refs))

    def measured(self, part: str) -> Any:
        """What a method returns, or an attribute is.

        Raises:
            InputError: the framework has no such method.
        """
        if part not in self.parts():
            raise InputError(
                f"{type(self).__name__} has no {part!r}",
                place="framework",
                mend=suggest(part, self.parts()),
            )
        if self._shape is None:
            self._shape = self._measure()
        return self._shape[part]

    def all(self) -> Shape:
        """All methods and attributes."""
        return {part: self.measured(part) for part in self.parts()}

    def _measure(self) -> Shape:
        judged = self._home.catalogue.by_ref()
        ids = {judged[ref][0].id for ref in self.refs if ref in judged}
        at, results = self._home.results(ids, self._at, self._known_at)
        at_ref = {place.ref: (result, place) for result in results for place in result.places}
        shape: Shape = {}
        for ref in self.refs:
            *path, leaf = ref.split(".")[1:]
            inner = shape
            for name in path:
                inner = inner.setdefault(name, {})
            if ref not in judged:
                inner[leaf] = _undefined(ref, at)
                continue
            metric, place = judged[ref]
            result, verdict = at_ref.get(ref, (None, None))
            if result and verdict and verdict.own:
                result = replace(result, value=verdict.own[0], interval=None)
            inner[leaf] = _measured(
                metric, place, result, verdict.verdict if verdict else "no_data", at
            )
        return shape


def systems() -> dict[str, type[System]]:
    """All systems by name, in the order of the framework."""
    return dict(_systems())


@cache
def _systems() -> Mapping[str, type[System]]:
    refs: dict[str, list[str]] = {}
    for ref in read_sources(framework_path()).order:
        refs.setdefault(ref.split(".")[0], []).append(ref)
    return {name: _system(name, tuple(found)) for name, found in refs.items()}


def _system(name: str, refs: tuple[str, ...]) -> type[System]:
    members: dict[str, Any] = {"refs": refs, "__module__": __name__, "__doc__": System.__doc__}
    made: type[System] = type(name, (System,), members)
    for part in made.parts():
        setattr(made, part, _member(part))
    return made


def _member(part: str) -> Any:
    def get(self: System) -> Any:
        return self.measured(part)

    get.__name__ = part
    get.__doc__ = f"`{part}` of the framework, measured."
    return property(get) if part in ATTRIBUTES else get


def __getattr__(name: str) -> Any:
    if name.startswith("_") or name not in _systems():
        raise AttributeError(f"the framework has no system {name!r}")
    return _systems()[name]


def __dir__() -> list[str]:
    return [*globals(), *_systems()]


def leaves(shape: Any) -> Iterator[Measured]:
    """All measured values of a shape, in its order."""
    if isinstance(shape, Measured):
        yield shape
        return
    for inner in shape.values():
        yield from leaves(inner)


def plain(shape: Any) -> Any:
    """A shape as JSON-ready data."""
    if isinstance(shape, Measured):
        return shape.as_dict()
    return {name: plain(inner) for name, inner in shape.items()}


def _measured(
    metric: Metric, place: Place, result: MetricResult | None, verdict: str, at: datetime
) -> Measured:
    return Measured(
        value=result.value if result else None,
        unit=metric.raw.unit,
        verdict=verdict,
        target=place.target.as_dict(),
        evidence=result.evidence if result else None,
        as_of=at,
        ref=place.ref,
        literal=place.literal or "",
        interval=result.interval if result else None,
        n=result.n if result else 0,
        reason=result.reason if result else "Nothing is known of this scope yet.",
    )


def _undefined(ref: str, at: datetime) -> Measured:
    return Measured(
        None, "", "no_data", {}, None, at, ref, "",
        reason="The catalogue of this home does not define it.",
    )  # fmt: skip


def _like(literal: str, value: Value, unit: str, target: Mapping[str, Any], verdict: str) -> str:
    if value is None:
        return VERDICTS[verdict].word.lower()  # type: ignore[index]  # a verdict word
    claim = _CLAIM.sub("", literal)
    if isinstance(value, bool):
        return claim if value else f"not yet: {claim}"
    if isinstance(value, str):
        return claim if value == target.get("value") else format_value(value, unit)
    return _number_like(literal, value, unit, target, verdict) or format_value(
        value, unit, beside=[target.get("value")]
    )


def _number_like(
    literal: str, value: float, unit: str, target: Mapping[str, Any], verdict: str
) -> str | None:
    """The number in the form of a literal's; None where its number is not the target's.

    Words after the number are kept unless they hold a number of their own, which was not measured.
    """
    match, wanted = _NUMBER.search(literal), target.get("value")
    scale = factor(unit, str(target.get("unit", ""))) if unit != target.get("unit") else 1.0
    if match is None or isinstance(wanted, bool | str | list) or wanted is None or scale is None:
        return None
    size = _SCALES[match["scale"]]
    asked = float(match["digits"].replace(",", "")) * size * (-1 if match["sign"] == "-" else 1)
    if abs(abs(asked) - abs(wanted)) > 1e-9 * max(abs(wanted), 1):
        return None
    flipped = -1 if asked * wanted < 0 else 1  # "80% reduction" asks for a change of -80 %
    shown = value * scale * flipped / size
    decimals = len(match["digits"].partition(".")[2])
    text = _digits(shown, decimals, wanted * flipped / size, met=verdict == "met")
    sign = "-" if shown < 0 else "+" if match["sign"] == "+" else ""
    rest = literal[match.end() :]
    if any(c.isdigit() for c in rest):
        rest = _OF.match(rest)[0]  # type: ignore[index]  # matches always
    return f"{sign}{match['money']}{text}{match['scale']}{rest}".strip()


def _digits(value: float, decimals: int, asked: float, *, met: bool) -> str:
    """The decimals of the literal, and more where they would say something else than the value.

    That is: off by more than half a per cent, or by a tenth of what is missing to 100; or a value
    that misses the target, but reads as if it met it.
    """
    size = abs(value)
    room = min(0.005 * size, 0.1 * abs(100 - size) if 90 <= size < 100 else size)
    while decimals < _MOST_DECIMALS and (
        abs(round(size, decimals) - size) > room + _NOISE
        or (not met and value != asked and round(value, decimals) == round(asked, decimals))
    ):
        decimals += 1
    text = f"{size:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text and size == round(size) else text
