"""A scorecard in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from meterstone.framework import Measured
from meterstone.measure.explain import Explanation
from meterstone.publish.order import by_system
from meterstone.scorecard import VERDICTS, format_interval, format_target, format_value

_STYLES = {"met": "green", "miss": "red", "doubt": "yellow", "none": "dim", "reference": "blue"}
_RIBBON = {
    "met": ("█", "green"),
    "broken": ("▁", "red"),
    "excused": ("▒", "yellow"),
    "missing": ("·", "dim"),
}


def verdict(word: str) -> Text:
    """A verdict as shape, word and colour."""
    look = VERDICTS[word]  # type: ignore[index]  # a verdict word
    return Text(str(look), style=_STYLES[look.tone])


def scorecard(card: Mapping[str, Any]) -> RenderableType:
    """The signed document as tables: metrics, gates, and its hash."""
    scope = card["scope"]
    name = scope["kind"] if scope["kind"] == "network" else f"{scope['kind']} {scope['key']}"
    head = Text.assemble(
        (f"Scorecard of the {name}, {card['day']} ({card['time_zone']})\n", "bold"),
        (card["summary"]["sentence"] + "\n", ""),
        (f"known at {card['known_at']} · {', '.join(card['labels'])} data", "dim"),
    )
    told = [m for m in card["metrics"] if m["verdict"] not in ("no_data", "not_applicable")]
    silent = [m["title"] for m in card["metrics"] if m["verdict"] == "no_data"]
    empty = [m["title"] for m in card["metrics"] if m["verdict"] == "not_applicable"]
    parts: list[RenderableType] = [head, metrics(told)]
    for word, titles in (("No data", silent), ("Not applicable", empty)):
        if titles:
            parts.append(Text(f"\n— {word} ({len(titles)}): {'; '.join(titles)}", style="dim"))
    if card["gates"]:
        parts.append(gates(card["gates"]))
    parts.append(
        Text(
            f"content hash {card['content_hash']}\nsigned with Ed25519 key "
            f"{card['signature']['key_id']}",
            style="dim",
        )
    )
    return Group(*parts)


def framework(system: str, shape: Mapping[str, Any]) -> RenderableType:
    """A system of the framework as the document has it, with what was measured beside."""
    table = Table(box=None, pad_edge=False, header_style="dim", title=system, title_justify="left")
    for heading in ("", "Measured", "Framework", "Verdict", "Evidence"):
        table.add_column(heading)

    def rows(shape: Mapping[str, Any], depth: int) -> None:
        for name, inner in shape.items():
            label = Text("  " * depth + name)
            if isinstance(inner, Measured):
                table.add_row(
                    label, str(inner), Text(inner.literal, style="dim"), verdict(inner.verdict),
                    inner.evidence or "",
                )  # fmt: skip
            else:
                table.add_row(label)
                rows(inner, depth + 1)

    rows(shape, 0)
    return table


def metrics(results: Sequence[Mapping[str, Any]]) -> Table:
    """One line a metric."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading, side in (
        ("Metric", "left"), ("Value", "right"), ("95 %", "right"), ("Target", "right"),
        ("Verdict", "left"), ("Days", "right"), ("Sample", "right"), ("Evidence", "left"),
    ):  # fmt: skip
        table.add_column(heading, justify=side)  # type: ignore[arg-type]  # left or right
    for system, found in by_system(results).items():
        table.add_section()
        table.add_row(Text(system, style="bold"))
        for result in found:
            _metric_row(table, result)
    return table


def _metric_row(table: Table, result: Mapping[str, Any]) -> None:
    unit = result["unit"]
    table.add_row(
        Text("  " + (result.get("title") or result["id"])),
        format_value(result["value"], unit, beside=(result["target"]["value"],))
        if not isinstance(result["target"]["value"], list)
        else format_value(result["value"], unit),
        format_interval(result["interval"], unit) if result["interval"] else "",
        format_target(result["target"]),
        verdict(result["verdict"]),
        "" if result.get("run") is None else str(result["run"]),
        f"{result['n']:,}",
        result["evidence"] or "",
    )


def gates(results: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Each gate with its ribbon, one mark a day, and its reason in words."""
    lines: list[RenderableType] = [Text()]
    for gate in results:
        ribbon = Text()
        for day in gate["days"]:
            mark, style = _RIBBON[day["verdict"]]
            ribbon.append(mark, style=style)
        chance = gate["chance_all"]
        tail = "" if chance is None else f" Chance to pass at today's level: {chance:.1%}."
        how = (
            " Days before publication are reconstructed as known now."
            if gate["reconstructed"]
            else ""
        )
        lines += [
            Text(gate["title"], style="bold"),
            ribbon,
            Text(gate["reason"] + tail + how),
            Text(),
        ]
    return Group(*lines)


def explanation(found: Explanation, records: Mapping[int, str]) -> RenderableType:
    """Definition, number, inputs, rows and landed records of one metric."""
    result, raw = found.result, found.metric.raw
    head = Table.grid(padding=(0, 2))
    for name, text in (
        ("metric", f"{raw.title} ({raw.id})"),
        ("scope", str(result.scope)),
        ("definition", raw.definition),
        ("window", " to ".join(f"{edge:%Y-%m-%d %H:%M:%S}" for edge in result.window) + " UTC"),
        ("value", format_value(result.value, result.unit)),
        ("interval", format_interval(result.interval, result.unit) if result.interval else "none"),
        ("sample", f"{result.n:,} {raw.sample_unit} (needs {raw.min_sample:,})"),
        ("target", format_target(dict(result.target))),
        ("verdict", f"{VERDICTS[result.verdict]}: {result.reason}"),
        ("defined in", found.metric.place),
    ):  # fmt: skip
        head.add_row(Text(name, style="dim"), text)
    return Group(head, _terms(found), *_facts(found, records), _notes(found))


def _terms(found: Explanation) -> RenderableType:
    table = Table(box=None, pad_edge=False, header_style="dim", title_justify="left")
    for heading in ("Input", "Value", "From", "Aggregate"):
        table.add_column(heading, justify="right" if heading == "Value" else "left")
    for name, value in found.terms.items():
        term = found.metric.terms.get(name)
        if term is not None:
            shown = "–" if value is None else value if isinstance(value, str) else f"{value:,.6g}"
            table.add_row(
                name, shown, term.relation, term.agg or f"quantile {term.q:g} of {term.quantile_of}"
            )
    return Group(Text("\nInputs", style="bold"), table)


def _facts(found: Explanation, records: Mapping[int, str]) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for fact in found.facts:
        parts.append(
            Text(
                f"\n{fact.fact}: {fact.rows:,} rows from {fact.records:,} landed records",
                style="bold",
            )
        )
        if not fact.sample:
            continue
        table = Table(box=None, pad_edge=False, header_style="dim")
        names = [name for name in fact.sample[0] if name not in ("_seq", "_item")]
        for name in [*names, "landed record"]:
            table.add_column(name)
        for row in fact.sample:
            landed = f"#{row['_seq']} item {row['_item']} {records.get(row['_seq'], '')}".rstrip()
            table.add_row(*("" if row[n] is None else str(row[n]) for n in names), landed)
        parts.append(table)
    return parts


def _notes(found: Explanation) -> RenderableType:
    return Text("\n" + "\n".join(f"note: {note}" for note in found.notes), style="dim")


def show(renderable: RenderableType) -> None:
    """Print to standard output, wide enough where the output is no terminal."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=max(console.width, 160))
    console.print(renderable)
