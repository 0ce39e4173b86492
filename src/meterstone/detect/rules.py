"""What each kind of rule looks at, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta

from meterstone.detect import control
from meterstone.detect.around import Around, Shops
from meterstone.detect.attribution import blame
from meterstone.detect.daily import NO_DAYS, Days
from meterstone.detect.feed import Bad, Feed, Series, anew
from meterstone.detect.finding import Finding
from meterstone.detect.incidents import cause_of
from meterstone.detect.slo import Rule
from meterstone.detect.text import fill, percent, span
from meterstone.ledger.alerts import Blame

_PAUSED_S = 150.0
"""After a run that failed, so long may pass until the next one ends: twice the longest pause."""

_TELL = ("calls", "calls_in_time", "turns")
"""Counters whose bad events say why nothing is read."""

_SOON_S = 3.0
"""A condition that has its own memory need not be waited for much longer."""


@dataclass(frozen=True, slots=True)
class Scene:
    """All that rules look at. ``began``: when the watch did; what was before, nobody can tell.
    ``over``: until when alarms have told it already (`alert.Machine.over`)."""

    now: datetime
    began: datetime
    feed: Feed
    around: Around
    shops: Mapping[str, Shops]
    days: Days = NO_DAYS
    over: Mapping[str, datetime] = field(default_factory=dict)

    def franchises(self, integration: str) -> tuple[str, ...]:
        """Who is connected to an integration."""
        return self.shops[integration].franchises if integration in self.shops else ()


def look(rule: Rule, scene: Scene) -> Iterator[Finding]:
    """What a rule finds."""
    return _KINDS[rule.raw.type](rule, scene)


def _finding(
    rule: Rule, scene: Scene, key: str, *, started_at: datetime, fault: Blame,
    words: Mapping[str, str], value: float | None = None, threshold: float | None = None,
    franchises: tuple[str, ...] | None = None, clear_s: float | None = None,
) -> Finding:  # fmt: skip
    told = {"name": scene.around.name(key), "window": span(rule.over_s), **words}
    return Finding(
        rule=rule.id, cause_key=f"{key}:{rule.id}", kind=rule.raw.kind,
        severity=rule.raw.severity, fault=fault, integration=key,
        title=fill(rule.raw.title, told), says=fill(rule.raw.says.means, told),
        next=fill(rule.raw.says.next, told), started_at=started_at, value=value,
        threshold=threshold, lasting_s=rule.lasting_s,
        franchises=scene.franchises(key) if franchises is None else franchises,
        clear_s=rule.clear_s if clear_s is None else clear_s,
    )  # fmt: skip


def _share(rule: Rule, scene: Scene) -> Iterator[Finding]:
    counter, limit = rule.raw.counter or "", rule.raw.limit or 0.0
    down = {outage.integration for outage in scene.around.outages()}
    for key in scene.feed.keys(counter):
        series = scene.feed.of(counter, key)
        over = scene.over.get(cause_of(key, rule.raw.kind))
        recent = anew(_run_of(series, scene.now, rule.over_s), over)
        if series.bads and not recent:
            continue  # what was bad was told by an alert that is over
        good, total = series.counts.sum(scene.now, _since(recent, scene.now, rule.over_s))
        bad = total - good
        if bad < rule.raw.least or bad <= limit * total or _is_over(rule, scene, series):
            continue
        said = tuple(sorted({each.franchise for each in recent if each.franchise}))
        yield _finding(
            rule, scene, key, value=bad / total, threshold=limit, clear_s=_SOON_S,
            started_at=recent[0].at if recent else scene.now,
            fault=_blame_of(rule, recent, down, scene),
            words={"value": percent(bad / total), "limit": percent(limit)},
            franchises=said or scene.franchises(key),
        )  # fmt: skip


def _since(recent: list[Bad], now: datetime, over_s: float) -> float:
    """How far back a share looks: to the first bad event of the window, so that what was good
    before a fault does not hide it."""
    if not recent:
        return over_s
    return min(over_s, (now - recent[0].at).total_seconds() + 1)


def _is_over(rule: Rule, scene: Scene, series: Series) -> bool:
    """Whether the last bad event is some time ago and what came after it was good."""
    if not series.bads:
        return False
    last = series.bads[-1].at
    quiet = scene.now - last > timedelta(seconds=rule.clear_s)
    return quiet and series.last_at is not None and series.last_at > last


def _run_of(series: Series, now: datetime, over_s: float) -> list[Bad]:
    """The bad events that belong together: without a gap as long as the window."""
    found: list[Bad] = []
    after = now
    for bad in reversed(series.bads):
        if (after - bad.at).total_seconds() > over_s:
            break
        found.append(bad)
        after = bad.at
    return found[::-1]


def _blame_of(rule: Rule, bads: list[Bad], down: set[str], scene: Scene) -> Blame:
    said = blame(bads, down, scene.shops.keys())
    if said == "unknown" and rule.raw.kind in ("performance", "capacity", "data"):
        return "provider"  # of what the vendor sends or how fast, nobody else decides
    return said


def _down(rule: Rule, scene: Scene) -> Iterator[Finding]:
    outages = scene.around.outages()
    many = len(scene.shops) > 1 and len({o.integration for o in outages}) == len(scene.shops)
    for outage in outages:
        ours = many and outage.error_class in ("connection", "timeout")
        yield _finding(
            rule, scene, outage.integration, started_at=outage.started_at,
            fault="hub" if ours else outage.blame, words={},
        )  # fmt: skip


def _broken(rule: Rule, scene: Scene) -> Iterator[Finding]:
    for key, shops in scene.shops.items():
        if shops.broken:
            named = {franchise for _, _, own in shops.broken for franchise in own}
            yield _finding(
                rule, scene, key, started_at=min(since for _, since, _ in shops.broken),
                fault="caller", words={}, value=float(len(shops.broken)),
                franchises=tuple(sorted(named)),
            )  # fmt: skip


def _webhooks(rule: Rule, scene: Scene) -> Iterator[Finding]:
    limit = rule.raw.limit or 0.0
    for each in scene.around.missing(scene.now, rule.after_s, rule.over_s):
        missed_again = each.came_since * limit <= 1
        if each.count < rule.raw.least or not missed_again:
            continue
        if each.count > limit * (each.count + each.came):
            yield _finding(
                rule, scene, each.integration, started_at=each.first_at, fault="provider",
                value=float(each.count), threshold=limit, words={"value": str(each.count)},
            )  # fmt: skip


def _absent(rule: Rule, scene: Scene) -> Iterator[Finding]:
    """The wait follows the declared schedule of each stream, and begins anew when the service is
    back: what was not read meanwhile is told by another alarm."""
    down = {outage.integration for outage in scene.around.outages()}
    late: dict[str, tuple[float, float, datetime]] = {}
    for (connection, _), run in scene.feed.runs.items():
        if run.integration not in scene.shops or run.integration in down:
            continue
        shops = scene.shops[run.integration]
        if not shops.connections or any(connection == broken for broken, *_ in shops.broken):
            continue
        wait = max(rule.raw.times * run.every_s, rule.after_s)
        if run.status != "success":  # it is tried again after a pause; that it failed is told
            wait = max(wait, _PAUSED_S)
        back = scene.over.get(cause_of(run.integration, "availability"), scene.began)
        since = max(run.at, scene.began, back)
        age = (scene.now - since).total_seconds()
        if age > wait and not _told(scene, run.integration, wait):
            due = since + timedelta(seconds=run.every_s)
            late[run.integration] = max(
                late.get(run.integration, (0.0, 0.0, due)), (age, wait, due)
            )
    for key, (age, wait, due) in late.items():
        yield _finding(
            rule, scene, key, started_at=due, fault="hub", value=age, threshold=wait,
            words={"value": span(age), "limit": span(wait)},
        )  # fmt: skip


def _told(scene: Scene, integration: str, within_s: float) -> bool:
    """Whether calls that fail or wait tell of it: then it is not silent."""
    since = scene.now - timedelta(seconds=within_s)
    return any(
        bad.at >= since for counter in _TELL for bad in scene.feed.of(counter, integration).bads
    )


def _impossible(rule: Rule, scene: Scene) -> Iterator[Finding]:
    since = scene.now - timedelta(seconds=rule.over_s)
    rows: dict[str, list[tuple[datetime, float]]] = {}
    for (_, key), series in scene.feed.series.items():
        rows.setdefault(key, []).extend(each for each in series.impossible if each[0] >= since)
    for key, found in rows.items():
        if found:
            number = sum(count for _, count in found)
            first = min(at for at, _ in found)
            yield _finding(
                rule, scene, key, started_at=min(first, scene.now), fault="unknown",
                value=number, threshold=0.0, words={"value": f"{number:,.0f}"},
            )  # fmt: skip


def _bound(rule: Rule, scene: Scene) -> Iterator[Finding]:
    """A daily value beyond a fixed limit."""
    limit, sign = rule.raw.limit or 0.0, -1 if rule.raw.type == "below" else 1
    for key, days in scene.days.of(rule.raw.metric or "").items():
        if days and sign * days[-1][1] > sign * limit:
            day, value = days[-1]
            yield _finding(
                rule, scene, key, value=value, threshold=limit, fault="unknown",
                started_at=datetime.combine(day, time(), UTC),
                words={"value": f"{value:.6g}", "limit": f"{limit:.6g}"},
            )  # fmt: skip


def _control(rule: Rule, scene: Scene) -> Iterator[Finding]:
    """A daily value that leaves the range in which it moves by itself."""
    for key, days in scene.days.of(rule.raw.metric or "").items():
        values = [value for _, value in days]
        what, base = control.signal(values), control.limits(values[:-8])
        if what and base is not None:
            yield _finding(
                rule, scene, key, value=values[-1], fault="unknown",
                threshold=base.low if values[-1] < base.mean else base.high,
                started_at=datetime.combine(days[-1][0], time(), UTC),
                words={
                    "value": f"{values[-1]:.6g} ({what})",
                    "limit": f"{base.low:.6g} to {base.high:.6g}",
                },
            )  # fmt: skip


_KINDS: dict[str, Callable[[Rule, Scene], Iterator[Finding]]] = {
    "share": _share, "down": _down, "broken": _broken, "webhooks": _webhooks, "absent": _absent,
    "impossible": _impossible, "below": _bound, "above": _bound, "control": _control,
}  # fmt: skip
