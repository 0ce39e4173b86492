"""The sales of a simulated network as the panel that the study makes of them, and what is true."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from meterstone.insight.golive import ShopMonth, panel_of
from meterstone.insight.panel import Panel
from meterstone.sandbox.network import preset, sales
from meterstone.sandbox.network.facts import Facts
from meterstone.sandbox.network.truth import Truth
from meterstone.sandbox.network.world import World

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Shops:
    """One network: its panel (log of net sales a day), and the true mean effect on those rows."""

    panel: Panel
    truth: float


def shops_of(seed: int, *, lifted: bool = True, trend: float = 0.0) -> Shops:
    """A network of its own by seed, sold by the simulator's own generator.

    Args:
        lifted: False takes the lift by going live out again: the true effect is nothing.
        trend: by how much a month (as a share) those who go live grow apart from the others,
            from the first month on; it has nothing to do with going live.
    """
    world = World(preset("honest", seed=seed))
    sales.simulate(world, Facts(), Truth())
    sold = world.shared["sold"]
    live = {shop.id: shop.go_live.date() for shop in world.shops if shop.go_live}
    rows, lift = [], {}
    for nth, shop in enumerate(world.shops):
        for number, month in enumerate(world.months):
            first = (month - world.start) // DAY
            last = ((month + 32 * DAY).replace(day=1) - world.start) // DAY
            days = int(sold.trading[nth, first:last].sum())
            if days < 0.8 * (last - first):
                continue
            raised = float(np.log(sold.lift[nth, first:last]).mean())
            value = sold.cents[nth, first:last].sum() / 100 / days
            if not lifted:
                value /= np.exp(raised)
            if shop.go_live:
                value *= (1 + trend) ** number
            rows.append(ShopMonth(shop.id, month.date(), float(value)))
            lift[shop.id, number + 1] = raised if lifted else 0.0
    panel = panel_of(rows, live, logarithm=True)
    treated = [
        lift[unit, period]
        for unit, period, first in zip(panel.unit, panel.period, panel.first, strict=True)
        if first and period > first
    ]
    return Shops(panel, float(np.mean(treated)))
