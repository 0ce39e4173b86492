"""A catalogue as a page for people: every metric with its definition, targets, places and notes."""

from __future__ import annotations

from collections.abc import Iterator

from meterstone.catalogue.model import Catalogue, Metric, Place, RawHoldGate, Target

_HEAD = """\
# Metrics

Generated from the definitions of the catalogue `{name}` (version {version}) by
`python -m meterstone.docs`; edit the definitions, not this page. How to read and write a
definition: [metric-language.md](metric-language.md). The facts: [facts.md](facts.md).

{count} targets, {metrics} metrics. A target is what the framework asks for, never a value.
"""
_SIGNS = {">=": "≥", "<=": "≤", "==": "=", "at_least": "at least", "within_interval": "within"}


def markdown(catalogue: Catalogue) -> str:
    """``docs/metrics.md``: systems and refs in the order of the framework."""
    lines = [
        _HEAD.format(
            name=catalogue.name,
            version=catalogue.version,
            count=len(catalogue.order),
            metrics=len(catalogue.metrics),
        )
    ]
    system = ""
    for ref, (metric, place) in catalogue.by_ref().items():
        if ref.partition(".")[0] != system:
            system = ref.partition(".")[0]
            lines.append(f"## {system}\n")
        lines += _place(metric, place)
    lines += _gates(catalogue)
    return "\n".join(lines).rstrip() + "\n"


def _place(metric: Metric, place: Place) -> Iterator[str]:
    yield f"### {place.ref}\n"
    if place.ref == metric.ref:
        yield from _definition(metric)
    else:
        yield f"*{metric.raw.title}*: [{metric.id}](#{anchor(metric.ref)}) at this place.\n"
        yield from _table(_judged(metric, place))
    if place.note:
        yield f"> {_line(place.note)}\n"


def _definition(metric: Metric) -> Iterator[str]:
    raw = metric.raw
    yield f"*{raw.title}* (`{raw.id}`)\n"
    yield f"{_line(raw.definition)}\n"
    yield from _table([*_judged(metric, metric.places[0]), *_measured(metric)])
    if raw.gates:
        yield "Judged only when: " + "; ".join(_line(gate.title) for gate in raw.gates) + ".\n"
    if raw.scale:
        yield "Scale, best first: " + " > ".join(level.level for level in raw.scale) + ".\n"
    if len(metric.places) > 1:
        links = ", ".join(f"[{p.ref}](#{anchor(p.ref)})" for p in metric.places[1:])
        yield f"Also at: {links}.\n"


def _judged(metric: Metric, place: Place) -> Iterator[tuple[str, str]]:
    literal = f" (“{place.literal}”)" if place.literal else ""
    yield "target", f"{target_text(place.target)}{literal}"
    if place.at:
        yield "at", ", ".join(f"{kind} {key}" for kind, key in place.at.items())
    yield "least sample", f"{place.min_sample:,} {metric.raw.sample_unit}"


def _measured(metric: Metric) -> Iterator[tuple[str, str]]:
    raw = metric.raw
    yield "kind, unit", f"{raw.kind}, {raw.unit}"
    yield "window", raw.window
    yield "scopes", ", ".join(raw.scopes)
    yield "verdict on", f"{raw.verdict_on}, interval: {raw.uncertainty.replace('_', ' ')}"
    yield "evidence, cadence", f"{raw.evidence}, {raw.cadence}"
    if raw.inputs:
        yield "inputs", ", ".join(raw.inputs)
    yield "facts", ", ".join(f"[{name}](facts.md#{name})" for name in metric.named_facts) or "none"


def _table(rows: Iterator[tuple[str, str]] | list[tuple[str, str]]) -> Iterator[str]:
    yield "| | |\n|---|---|"
    for name, text in rows:
        yield f"| {name} | {_cell(text)} |"
    yield ""


def _gates(catalogue: Catalogue) -> Iterator[str]:
    if catalogue.gates:
        yield "## Gates\n"
    for gate in catalogue.gates.values():
        yield f"### {gate.id}\n"
        yield f"*{gate.title}*\n"
        yield from _table(_gate_rows(gate))
        if gate.note:
            yield f"> {_line(gate.note)}\n"


def _gate_rows(gate: RawHoldGate) -> Iterator[tuple[str, str]]:
    groups = [gate.group] if isinstance(gate.group, str) else gate.group
    row = " in a row" if gate.hold.consecutive else ""
    yield "all of", ", ".join(groups)
    if gate.excluding:
        yield "except", ", ".join(gate.excluding)
    yield "met on", f"{gate.hold.periods} {gate.hold.unit}s{row}"
    yield "a missing day", gate.missing_day.replace("_", " ")
    yield "late facts", gate.late_facts.replace("_", " ")
    yield "a restatement", gate.restatement.replace("_", " ")
    yield "maintenance", gate.maintenance.replace("_", " ")


def target_text(target: Target) -> str:
    """A target in words: ``≥ 99.9 %, trailing 30 days``."""
    text = f"{_SIGNS.get(target.cmp, target.cmp)} {_value(target)}"
    if target.unit not in ("state", "boolean"):
        text += f" {target.unit}"
    period = f", {target.period}" if target.period else ""
    baseline = f", against {target.baseline.replace('_', ' ')}" if target.baseline else ""
    return text + period + baseline


def _value(target: Target) -> str:
    value = target.value
    if isinstance(value, list):
        return " to ".join(f"{end:,.10g}" for end in value)
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else f"{value:,.10g}"


def anchor(ref: str) -> str:
    """The anchor of a ref's heading, as GitHub makes it from the heading's text."""
    return ref.replace(".", "").lower()


def _line(text: str) -> str:
    return " ".join(text.split()).replace("<", "&lt;")


def _cell(text: str) -> str:
    return _line(text).replace("|", "\\|")
