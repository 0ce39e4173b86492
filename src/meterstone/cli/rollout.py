"""The command that plans a roll-out over anybody's own file: who goes live when, so that the effect
can be told."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from meterstone.cli.shared import JsonOption, emit
from meterstone.insight.panel import read_panel, read_untreated
from meterstone.insight.rollout import Rollout, histories, plan

app = typer.Typer()


@app.command("rollout")
def rollout_command(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv")],
    unit: Annotated[str, typer.Option(help="Column of the unit, such as a shop.")],
    time: Annotated[str, typer.Option(help="Column of the period, at even steps.")],
    outcome: Annotated[str, typer.Option(help="Column of the outcome.")],
    first_treated: Annotated[
        str | None,
        typer.Option(help="Column of the first treated period: those are left out of the plan."),
    ] = None,
    ahead: Annotated[
        int, typer.Option(min=2, max=1000, help="Periods to come in which it is looked at.")
    ] = 12,
    waves: Annotated[
        int | None, typer.Option(min=1, max=50, help="Groups, one after another (default: best).")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Plan the order of going live that shows the smallest effect, before anybody does.

    Example: meterstone rollout shops.csv --unit shop --time month --outcome sales --json
    """
    panel = (
        read_untreated(file, unit=unit, time=time, outcome=outcome)
        if first_treated is None
        else read_panel(file, unit=unit, time=time, first_treated=first_treated, outcome=outcome)
    )
    values, left_out = histories(panel)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("trying layouts on the past", total=None)
        found = plan(
            values, ahead, waves=waves,
            progress=lambda done, of: progress.update(task, completed=done, total=of),
        )  # fmt: skip
    emit(_document(found, left_out), as_json=json_)
    if not json_:
        print(_sentence(found, outcome))
        for name, wave in _ordered(found):
            print(f"  {name}: {_word(wave)}")
        for why in left_out:
            print(f"  left out: {why}")


def _document(found: Rollout, left_out: list[str]) -> dict[str, object]:
    best = found.design
    return {
        "withheld": found.withheld, "ahead": found.ahead or None,
        "smallest_effect": best and best.smallest, "waves": best and best.waves,
        "gap": best and best.gap, "held_back": best and best.held_back,
        "order": [{"unit": name, "wave": wave} for name, wave in _ordered(found)],
        "others": [asdict(each) for each in found.others], "dropped": left_out,
    }  # fmt: skip


def _ordered(found: Rollout) -> list[tuple[str, int]]:
    """The first wave first; whoever is held back (0) last."""
    return sorted(found.order.items(), key=lambda pair: (pair[1] == 0, pair[1], pair[0]))


def _word(wave: int) -> str:
    return "held back" if wave == 0 else f"wave {wave}"


def _sentence(found: Rollout, outcome: str) -> str:
    best = found.design
    if best is None:
        return f"No order is proposed: {found.withheld}."
    back = sum(wave == 0 for wave in found.order.values())
    held = f", {back} held back" if back else ""
    waves = "one wave" if best.waves == 1 else f"{best.waves} waves, {best.gap} periods apart"
    return (
        f"{len(found.order)} units in {waves}{held}, show an effect on {outcome} of "
        f"{best.smallest:.3g} or more within {found.ahead} periods, four times of five."
    )
