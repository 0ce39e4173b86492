"""Truths about people that need what other domains made: syncs, invoices, work."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from meterstone.sandbox.network.facts import Facts
from meterstone.sandbox.network.people_support import Ticket
from meterstone.sandbox.network.people_surveys import Surveys
from meterstone.sandbox.network.people_use import Use, seconds
from meterstone.sandbox.network.presets import months_before
from meterstone.sandbox.network.truth import Truth
from meterstone.sandbox.network.world import DAY, Shop, World

METRICS = ("customer_success_score", "session_duration_growth", "satisfaction_success")
"""Metrics whose truth is said here."""

_Z = 1.959963984540054
_AT_LEAST = 4
"""Criteria that have to be observed of a franchise."""


def simulate(world: World, facts: Facts, truth: Truth) -> None:
    """Say what is true; nothing is made here."""
    del facts
    if not world.shops:
        for metric in METRICS:
            truth.missing(metric)
        return
    _score(world, truth)
    _sessions(world, truth)
    truth.exact(
        "satisfaction_success", _content_for_months(world) and _advocates_grow(world), n=3
    )  # fmt: skip


def _score(world: World, truth: Truth) -> None:
    """Criteria fulfilled / observed, over active franchises with enough of them observed."""
    end = world.end
    criteria = (
        _connected(world), _present(world), _content(world), _served(world), _paid(world)
    )  # fmt: skip
    active = world.active_shops(end)
    scores: dict[str, tuple[int, int]] = {}
    for shop in active:
        found = [known[shop.id] for known in criteria if shop.id in known]
        if len(found) >= _AT_LEAST:
            scores[shop.id] = (sum(found), len(found))
    fulfilled, observed = (sum(s[n] for s in scores.values()) for n in (0, 1))
    few = len(scores) < 0.8 * len(active)
    if not scores:
        truth.missing("customer_success_score", "insufficient_data")
        return
    truth.exact(
        "customer_success_score", 100 * fulfilled / observed, n=len(scores),
        verdict="insufficient_data" if few else None,
    )  # fmt: skip
    for shop_id in sorted(scores)[:3]:
        good, seen = scores[shop_id]
        truth.exact("customer_success_score", 100 * good / seen, n=1, scope="franchise",
                    key=shop_id, verdict="insufficient_data")  # fmt: skip


Known = dict[str, bool]
"""Whether a criterion holds, by franchise; those that it could not be observed of are left out."""


def _connected(world: World) -> Known:
    """Three connections or more with a successful sync on 20 of 30 days."""
    since = world.end - 30 * DAY
    days: dict[str, set[int]] = {}
    for connection_id, at in world.shared["operations"].runs:
        if since <= at < world.end:
            days.setdefault(connection_id, set()).add((world.end - at) // DAY)
    good: dict[str, int] = {}
    for connection in world.connections:
        if connection.shop and connection.connected < world.end:
            enough = len(days.get(connection.id, ())) >= 20
            good[connection.shop.id] = good.get(connection.shop.id, 0) + enough
    return {shop_id: number >= 3 for shop_id, number in good.items()}


def _present(world: World) -> Known:
    """An owner or manager who was active in the last 14 days."""
    use: Use = world.shared["use"]
    since, end = seconds(world.end - 14 * DAY), seconds(world.end)
    found: Known = {}
    for user, at in zip(use.user.tolist(), use.at.tolist(), strict=True):
        if at < end:
            who = use.users[user]
            lately = at >= since and who.role in ("owner", "manager")
            found[who.shop.id] = found.get(who.shop.id, False) or lately
    return found


def _content(world: World) -> Known:
    """The last overall answer of anyone there, 4 or 5; of a wave that was drawn properly."""
    surveys: Surveys = world.shared["surveys"]
    said = [
        a
        for a in surveys.answers
        if a.question == "overall"
        and a.wave.instrument in ("owner_satisfaction", "user_experience")
        and a.wave.sampling != "convenience"
        and a.shop and a.score is not None and a.submitted < world.end
    ]  # fmt: skip
    found: Known = {}
    for answer in sorted(said, key=lambda a: a.submitted):
        if answer.shop and answer.score is not None:
            found[answer.shop.id] = answer.score >= 4
    return found


def _served(world: World) -> Known:
    """No ticket open for more than seven days; known of all, as long as there is a help desk."""
    tickets: list[Ticket] = world.shared["tickets"]
    stuck = {t.shop.id for t in tickets if t.counts and t.stuck(world.end)}
    return {shop.id: shop.id not in stuck for shop in world.shops}


def _paid(world: World) -> Known:
    """No invoice overdue by more than 30 days, of those who are billed (or whose client is)."""
    end = world.end
    billed: set[str] = set()
    owing: set[str] = set()
    for line in world.shared["invoices"]:
        if line.status == "void" or line.issued_at >= end:
            continue
        for shop in _billed(world, line):
            billed.add(shop.id)
            due = datetime(line.due_on.year, line.due_on.month, line.due_on.day, tzinfo=end.tzinfo)
            unpaid = line.paid_on is None or line.paid_on >= end.date()
            if line.status != "written_off" and unpaid and due + timedelta(days=31) < end:
                owing.add(shop.id)
    return {shop_id: shop_id not in owing for shop_id in billed}


def _billed(world: World, line: Any) -> Iterable[Shop]:
    if line.franchise_id is not None:
        return [shop for shop in world.shops if shop.id == line.franchise_id]
    return [shop for shop in world.shops if shop.client.id == line.client_id]


def _sessions(world: World, truth: Truth) -> None:
    use: Use = world.shared["use"]
    end = world.end
    year = end.replace(year=end.year - 1)
    now, then = (use.sessions(last - 28 * DAY, last) for last in (end, year))
    if not now or not then:
        truth.missing("session_duration_growth")
        return
    middle = [lengths[math.ceil(len(lengths) / 2) - 1] for lengths in (now, then)]
    truth.exact(
        "session_duration_growth", 100 * (middle[0] / middle[1] - 1),
        n=min(len(now), len(then)),
        verdict=None if _work_is_no_slower(world) else "insufficient_data",
    )  # fmt: skip


def _work_is_no_slower(world: World) -> bool:
    """Whether the work of the last quarter took no longer than at the rates of the one before."""
    edges = [months_before(world.end, n) for n in (6, 3, 0)]
    totals: list[dict[tuple[str, str], tuple[float, float]]] = [{}, {}]
    for ended, process, party, minutes, volume in world.shared.get("work_rows", ()):
        for total, opens, closes in zip(totals, edges, edges[1:], strict=False):
            if opens < ended <= closes:
                before = total.get((process, party), (0.0, 0.0))
                total[process, party] = (before[0] + minutes, before[1] + volume)
    common = [key for key in totals[0].keys() & totals[1].keys()
              if totals[0][key][1] > 0 and totals[1][key][1] > 0]  # fmt: skip
    old_rate = sum(totals[1][key][1] * totals[0][key][0] / totals[0][key][1] for key in common)
    return bool(common) and sum(totals[1][key][0] for key in common) <= old_rate


def _content_for_months(world: World) -> bool:
    """Whether the share of content owners is surely above 95 % at the last three month ends."""
    surveys: Surveys = world.shared["surveys"]
    for back in range(3):
        at = months_before(world.end, back)
        wave = surveys.newest("owner_satisfaction", at)
        if wave is None:
            return False
        asked = surveys.of_franchises(wave, at, "overall")
        good = sum((a.score or 0) >= 4 for a in asked)
        people = wave.population
        if len(asked) < people:
            size = len(asked) * (people - 1) / (people - len(asked))
            share = good / len(asked)
            middle = share + _Z**2 / (2 * size)
            half = _Z * math.sqrt(share * (1 - share) / size + _Z**2 / (4 * size**2))
            lower = (middle - half) / (1 + _Z**2 / size)
        else:
            lower = good / len(asked)
        if 100 * lower <= 95:
            return False
    return True


def _advocates_grow(world: World) -> bool:
    """Whether more owners are advocates than a quarter before, at a one-sided 5 %."""
    surveys: Surveys = world.shared["surveys"]
    shares = []
    for back in (3, 0):
        at = months_before(world.end, back)
        wave = surveys.newest("recommendation", at)
        if wave is None:
            return False
        native = replace(surveys, answers=[a for a in surveys.answers if a.high == 10])
        owners = native.of_franchises(wave, at, "recommend")
        shares.append((sum((a.score or 0) >= 9 for a in owners) / len(owners), len(owners)))
    (before, n0), (now, n1) = shares
    error = math.sqrt(before * (1 - before) / n0 + now * (1 - now) / n1)
    return bool(now - before > 1.6448536269514722 * error)
