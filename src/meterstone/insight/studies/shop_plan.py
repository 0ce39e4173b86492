"""In which order should the shops that are not live yet go live, so that the effect can be told?"""

from __future__ import annotations

import math

from meterstone.insight.findings import Column, Figure, Finding, Table
from meterstone.insight.golive import in_shops
from meterstone.insight.panel import Panel
from meterstone.insight.rollout import Rollout, histories, plan
from meterstone.insight.studies.reading import NETWORK

AHEAD_MONTHS = 12
_METHOD = (
    "Each order is tried on the past of the same shops, in which nothing happened: what it finds "
    "there by mistake is its noise, and from that follows the smallest effect found four times of "
    "five, by both estimators that a claim takes. Waves are alike in level and trend of sales; who "
    "is in which is drawn by lot."
)


def plan_finding(sales: Panel) -> Finding:
    """The plan, or why there is none."""
    values, _ = histories(sales)
    found = plan(values, AHEAD_MONTHS)
    title = "Order of going live"
    about = {"study": "effect", "key": "plan", "scope": NETWORK, "title": title}
    if found.design is None:
        why = found.withheld or ""
        return Finding(
            **about, method=_METHOD, withheld=why,  # type: ignore[arg-type]
            sentence=f"No order of going live is proposed: {in_shops(why)} (shops not live yet).",
        )  # fmt: skip
    best = found.design
    back = sum(wave == 0 for wave in found.order.values())
    held = f", {back} shops held back" if back else ""
    return Finding(
        **about, method=_METHOD,  # type: ignore[arg-type]
        sentence=(
            f"The {len(found.order)} shops that are not live yet would show an effect on sales of "
            f"{_percent(best.smallest)} % or more within {found.ahead} months, if they go live in "
            f"{best.waves} {'wave' if best.waves == 1 else 'waves'} {best.gap} months apart{held}."
        ),
        figures=(
            Figure("smallest", "Smallest effect found four times of five",
                   100 * math.expm1(best.smallest), "%"),
            Figure("shops", "Shops in the plan", float(len(found.order)), "shops"),
            Figure("waves", "Waves", float(best.waves), "waves"),
            Figure("gap", "Between two waves", float(best.gap), "months"),
        ),
        tables=(_order(found), _designs(found)),
    )  # fmt: skip


def _order(found: Rollout) -> Table:
    def word(wave: int) -> str:
        return "held back" if wave == 0 else f"wave {wave}"

    rows = sorted(found.order.items(), key=lambda pair: (pair[1] == 0, pair[1], pair[0]))
    return Table(
        "order", "Who goes when", (Column("shop", "Shop"), Column("wave", "Wave")),
        tuple((shop, word(wave)) for shop, wave in rows),
    )  # fmt: skip


def _designs(found: Rollout) -> Table:
    return Table(
        "designs", "Orders that were tried",
        (
            Column("waves", "Waves"), Column("gap", "Apart", "months"),
            Column("held_back", "Held back", "%"), Column("smallest", "Smallest effect", "%"),
        ),
        tuple(
            (
                float(each.waves), float(each.gap), 100 * each.held_back,
                100 * math.expm1(each.smallest),
            )
            for each in found.others[:10]
        ),
    )  # fmt: skip


def _percent(effect: float) -> str:
    return f"{100 * math.expm1(effect):.1f}"
