"""Uptime, health, state and monitoring of integrations, in worked numbers."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from .build import (
    AT,
    RECORDED,
    D,
    H,
    M,
    Row,
    S,
    World,
    connected,
    connection,
    incident,
    integration,
    on,
    probe,
    probes,
    request,
    sync_run,
)  # fmt: skip

UPTIME, HEALTH, STATUS = "integration_uptime", "overall_health_score", "integration_status"
US = timedelta(microseconds=1)


# uptime


def test_uptime_is_the_share_of_slots_that_are_up() -> None:
    # 30 days of 43,200 slots, each probed once; 43 failed: 99.9004…
    start = AT - 30 * D
    down = {1000 * n + 7 for n in range(43)}
    rows = [probe(start + n * M + 7 * S, ok=n not in down) for n in range(43_200)]
    with World(connected(start - D), rows) as world:
        cell = world.cell(UPTIME)
        assert (cell.value, cell.n) == (100 * (43_200 - 43) / 43_200, 43_200)
        assert cell.verdict == "met"
        assert cell.lower <= cell.value <= cell.upper
        assert cell.lower > 99.8, "one or two of 1,440 slots fail on every day"
        only = world.cell(UPTIME, "integration:square")
        assert (only.value, only.n, only.interval) == (cell.value, cell.n, cell.interval)

        one_more = next(r for r in rows if r["ok"])
        world.add(one_more | {"ok": False})
        assert world.cell(UPTIME).verdict == "not_met", "44 minutes are too many"


def test_slot_is_up_by_majority_of_probes_else_by_a_request() -> None:
    start = AT - 10 * M
    with World(
        connected(AT - 2 * D)[1:],
        integration(start),
        # slot 0: two of three; 1: one of two; 2: one of three
        probe(start), probe(start + S), probe(start + 59 * S, ok=False),
        probe(start + M), probe(start + M + S, ok=False),
        probe(start + 2 * M), probe(start + 2 * M + S, ok=False),
        probe(start + 3 * M - US, ok=False),
        # slot 3: a request succeeds; 4: one fails; 5: one is served, not called; 6: nothing
        request(start + 3 * M, integration="square"),
        request(start + 4 * M, integration="square", error="server", fault="provider"),
        request(start + 5 * M, integration="square", direction="inbound"),
        # slot 7: probes of another component; 8: a request, but the probe failed
        probe(start + 7 * M, component="hub_api"),
        probe(start + 8 * M, ok=False), request(start + 8 * M + S, integration="square"),
    ) as world:  # fmt: skip
        cell = world.cell(UPTIME)
        assert (cell.value, cell.n) == (20.0, 10)
        assert cell.verdict == "insufficient_data"


def test_announced_maintenance_is_excused_for_four_hours_a_month() -> None:
    month = on(2026, 3, 1)
    night = probes(month + 2 * H, month + 6 * H + 10 * M, ok=False, maintenance=True)
    with World(
        connected(month - 30 * D), night, probes(month + 7 * H, AT, 30 * M, interval_s=60)
    ) as w:
        cell = w.cell(UPTIME, at=month + 7 * H)
        before = 30 * 1440 - 420  # slots before the month, all down
        assert cell.n == before + 420 - 240
        assert cell.shown["maintenance_slots"] == 240, "the other ten count as down"
        # the next month has its own four hours
        w.add(probes(AT + D, AT + D + 5 * M, ok=False, maintenance=True))
        w.add(connected(AT - D)[2:])
        cell = w.cell(UPTIME, at=AT + 2 * D)
        assert cell.shown["maintenance_slots"] == 5 + 0, "those of 1 March lie before the window"


def test_late_maintenance_moves_what_is_excused_later_in_the_month() -> None:
    month = on(2026, 3, 1)
    late = probes(month + 10 * D, month + 10 * D + 4 * H, ok=False, maintenance=True)
    with World(connected(month - D), late) as world:
        assert world.cell(UPTIME, at=month + 20 * D).shown["maintenance_slots"] == 240
        world.add(probes(month, month + 2 * H, ok=False, maintenance=True))
        cell = world.cell(UPTIME, at=month + 20 * D)
        assert cell.shown["maintenance_slots"] == 240
        # the first two hours of the month lie before this window, and were excused all the same
        assert world.cell(UPTIME, at=month + 31 * D).shown["maintenance_slots"] == 120


def test_only_connected_integrations_have_slots() -> None:
    begin = AT - 10 * D
    with World(
        # live since 10 days, connected since 5, succeeded first 3 days ago, paused for the last
        integration(begin), connection(AT - 5 * D), sync_run(AT - 3 * D - US),
        integration(AT - D, status="paused"),
        # connected, but never a success
        integration(begin, "clover"), connection(begin, "clover"),
        sync_run(AT - 3 * D, integration="clover", connection_id="c-clover", status="partial"),
        # its only success is that of a connection which is gone
        integration(begin, "quickbooks"), connection(begin, "quickbooks"),
        connection(begin, "quickbooks", connection_id="gone", disconnected_at=AT - 5 * D),
        sync_run(AT - 6 * D, integration="quickbooks", connection_id="gone"),
        # the last success is 30 days old in the middle of the window
        integration(AT - 50 * D, "ifpg"), connection(AT - 50 * D, "ifpg"),
        request(AT - 40 * D, integration="ifpg"),
    ) as world:  # fmt: skip
        measured = world.evaluate(AT, UPTIME)
        assert measured.cell(UPTIME, "integration:square").n == 2 * 1440
        assert measured.cell(UPTIME, "integration:clover").verdict == "no_data"
        assert measured.cell(UPTIME, "integration:quickbooks").n == 1439, "until it was cut off"
        assert measured.cell(UPTIME, "integration:ifpg").n == 20 * 1440 + 1
        assert measured.cell(UPTIME).n == (2 + 1 + 20) * 1440


def test_a_success_counts_for_thirty_days_to_the_microsecond() -> None:
    # the second day has its first success before, its last one after the edge at noon
    last = AT - 40 * D + 12 * H
    runs = [AT - 70 * D + 3 * H, last - 6 * H, last]
    rows = [integration(AT - 90 * D), connection(AT - 90 * D), *(sync_run(at) for at in runs)]
    gone = runs[0] + 30 * D

    def connected_at(world: World, *moments: datetime) -> list[int]:
        measured = world.evaluate(list(moments), "proactive_monitoring")
        objects = measured.evaluation.columns["proactive_monitoring", "network"].terms["objects"]
        return [int(n) - 5 for n in objects[:, 0]]

    with World(rows) as world:
        moments = [runs[0], runs[0] + US, gone, gone + US, last - 6 * H, last - 6 * H + US]
        assert connected_at(world, *moments) == [0, 1, 1, 0, 0, 1]
        assert connected_at(world, last + 30 * D, last + 30 * D + US) == [1, 0]
        # midnights read the stored days
        days = [(runs[0] + n * D).replace(hour=0) for n in range(62)]
        expected = [int(any(at - 30 * D <= run < at for run in runs)) for at in days]
        assert connected_at(world, *days) == expected
        assert [connected_at(world, at)[0] for at in days] == expected


def test_uptime_needs_a_schedule_of_a_minute() -> None:
    start = AT - 30 * D
    with World(connected(start - D), probes(start, AT, 10 * M)) as world:
        cell = world.cell(UPTIME)
        assert (cell.n, cell.verdict) == (43_200, "insufficient_data")
        assert cell.failed_gates == ("probe scheduled at <= 60 s for every connected_integration",)
        world.add(probe(AT - H + S, interval_s=60))
        assert world.cell(UPTIME).verdict == "not_met"
        # one of two integrations without a schedule is enough
        world.add(connected(start - D, "clover"))
        measured = world.evaluate(AT, UPTIME)
        assert measured.cell(UPTIME).verdict == "insufficient_data"
        assert measured.cell(UPTIME, "integration:square").verdict == "not_met"
        assert measured.cell(UPTIME, "integration:clover").verdict == "insufficient_data"


def test_smallest_sample_of_slots() -> None:
    since = AT - 40_000 * M
    rows: list[Row] = [*connected(since - 2 * D)[1:], integration(since), *probes(since, AT, H)]
    rows += [probe(AT - M, interval_s=60)]
    with World(rows) as world:
        assert (world.cell(UPTIME).n, world.cell(UPTIME).verdict) == (40_000, "not_met")
        world.add(
            integration(since + M), rows[len(connected(since - 2 * D)) - 1] | {"retracted": True}
        )
        assert (world.cell(UPTIME).n, world.cell(UPTIME).verdict) == (39_999, "insufficient_data")


# state


def healthy(at: datetime, name: str = "square") -> list[Row]:
    """What makes an integration healthy at a moment."""
    return [
        integration(at - 10 * D, name),
        connection(at - 10 * D, name),
        *probes(at - 15 * M, at, integration=name),
        sync_run(at - 19 * M, integration=name, connection_id=f"c-{name}"),
    ]


def replace(rows: list[Row], fact: str, **columns: object) -> list[Row]:
    """The same rows, with other columns in those of one fact."""
    return [row | columns if row["fact"] == fact else row for row in rows]


def outbound(count: int, failed: int) -> list[Row]:
    here = {"integration": "square", "endpoint_group": "other"}
    rows = [request(AT - 15 * M, count=count - failed, **here)]
    if failed:
        rows.append(request(AT - S, error="server", fault="provider", count=failed, **here))
    return rows


FINE = healthy(AT)
STATES: list[tuple[str, list[Row], str, float]] = [
    ("all is well", FINE, "healthy", 15),
    ("one of the last three probes failed", [*FINE, probe(AT - 90 * S, ok=False)], "degraded", 16),
    (
        "the last three failed",
        [*FINE[:2], *probes(AT - 15 * M, AT, ok=False), FINE[-1]],
        "down",
        15,
    ),
    ("the fourth but last failed", [*FINE, probe(AT - 3 * M - S, ok=False)], "healthy", 16),
    ("99 of 100 requests", [*FINE, *outbound(100, 1)], "healthy", 15),
    ("98 of 99 requests", [*FINE, *outbound(99, 1)], "degraded", 15),
    ("half of 19 requests", [*FINE, *outbound(19, 10)], "healthy", 15),
    ("19 of 20 requests", [*FINE, *outbound(20, 1)], "degraded", 15),
    (
        "failures before the 15 minutes",
        [*FINE, request(AT - 15 * M - US, error="server", count=100, integration="square")],
        "healthy",
        15,
    ),
    (
        "failures of the caller",
        [*FINE, request(AT - M, error="server", fault="caller", count=50, integration="square")],
        "healthy",
        15,
    ),
    ("newest run failed", [*FINE, sync_run(AT - M, status="failed")], "degraded", 15),
    ("newest run as old as two intervals", [*FINE[:-1], sync_run(AT - 20 * M)], "degraded", 15),
    ("newest success as old as six", [*FINE[:-1], sync_run(AT - H)], "down", 15),
    ("no run", FINE[:-1], "down", 15),
    ("open incident", [*FINE, incident(AT - H, 10, None, severity="sev2")], "degraded", 15),
    ("small incident", [*FINE, incident(AT - H, 10, None, severity="sev3")], "healthy", 15),
    ("closed incident", [*FINE, incident(AT - H, 10, 3600)], "healthy", 15),
    ("incident elsewhere", [*FINE, incident(AT - H, 10, None, integration="x")], "healthy", 15),
    ("security incident", [*FINE, incident(AT - H, 10, None, kind="security")], "degraded", 15),
    ("no probe", [*FINE[:2], FINE[-1]], "unknown", 0),
    (
        "last probe older than three intervals",
        [*FINE[:2], *probes(AT - 6 * M, AT - 3 * M), FINE[-1]],
        "unknown",
        3,
    ),
    (
        "last probe as old as three intervals",
        [*FINE[:2], *probes(AT - 6 * M, AT - 2 * M), FINE[-1]],
        "healthy",
        4,
    ),
    ("paused", [*FINE, integration(AT - H, status="paused")], "unknown", 15),
    ("live again", [*FINE, integration(AT - H, status="paused"), integration(AT)], "healthy", 15),
    (
        "no schedule in the registry",
        replace(FINE, "integration", probe_interval_s=None),
        "healthy",
        15,
    ),
    (
        "two probes, ten minutes apart",
        [*replace(FINE[:2], "integration", probe_interval_s=600), FINE[-1],
         *probes(AT - 25 * M, AT, 10 * M)],
        "healthy",
        2,
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "state", "probed"), [c[1:] for c in STATES], ids=[c[0] for c in STATES]
)
def test_state_of_an_integration(rows: list[Row], state: str, probed: int) -> None:
    with World(rows) as world:
        cell = world.cell(STATUS, "integration:square", known_at=RECORDED)
        assert (cell.value, cell.n) == (state, probed)
        usual = "met" if state == "healthy" else "not_met"
        expected = "insufficient_data" if state == "unknown" or probed < 3 else usual
        ref = "IntegrationHealthMonitor.monitor_integration_status.square_pos_status"
        assert cell.verdicts == {ref: expected}


def test_each_place_of_the_state_names_its_integration() -> None:
    names = ("franconnect", "quickbooks", "square", "salesforce")
    with World(
        [healthy(AT, name) for name in names[:2]], integration(AT - D, "salesforce")
    ) as world:
        measured = world.evaluate(AT, STATUS)
        verdicts = [
            list(measured.cell(STATUS, f"integration:{n}").verdicts.values()) for n in names
        ]
        assert verdicts == [["met"], ["met"], ["no_data"], ["insufficient_data"]]


def test_probes_at_the_same_instant_are_ordered_by_their_id() -> None:
    states = []
    for bad in "abcd":
        rows = [probe(AT - M, probe_id=f"p{x}", ok=x != bad, location=x) for x in "dbca"]
        with World(FINE[:2], FINE[-1], rows) as world:
            states.append(world.cell(STATUS, "integration:square", known_at=RECORDED).value)
    assert states == ["healthy", "degraded", "degraded", "degraded"]


# share of healthy minutes


def test_health_score_weighs_every_integration_and_minute_alike() -> None:
    start = AT - D
    rows: list[Row] = []
    for name in ("square", "clover"):
        rows += [integration(start - 9 * D, name), connection(start - 9 * D, name)]
        rows += probes(start - 20 * M, AT, integration=name)
        rows += [
            sync_run(start - 5 * M + n * 10 * M, integration=name, connection_id=f"c-{name}")
            for n in range(145)
        ]
    broken = [r for r in rows if r["fact"] == "probe" and r["integration"] == "clover"][500]
    broken["ok"] = False
    with World(rows) as world:
        cell = world.cell(HEALTH)
        # the three minutes at whose instant the failed probe is among the last three
        assert (cell.value, cell.n) == (100 * (2 * 1440 - 3) / (2 * 1440), 2 * 1440)
        assert cell.verdict == "not_met"
        assert world.cell(HEALTH, "integration:square").value == 100.0
        assert world.cell(HEALTH, "integration:square").verdict == "met"
        assert world.cell(HEALTH, "integration:clover").n == 1440


def test_health_score_of_part_of_a_day_is_not_enough() -> None:
    with World(healthy(AT)) as world:
        cell = world.cell(HEALTH)
        # connected since the run 19 minutes ago, three probes since 12 minutes
        assert (cell.value, cell.n) == (pytest.approx(100 * 12 / 18), 18)
        assert cell.verdict == "insufficient_data"
        assert world.cell(HEALTH, at=AT - 3 * D).verdict == "no_data"


# monitoring


COMPONENTS = ("hub_api", "hub_ui", "database", "queue", "webhook_ingress")


def monitored(component: str, ran: int = 288, **columns: object) -> list[Row]:
    """Probes every five minutes; ``ran`` of the 288 of the day."""
    given = {"component": component, "integration": None, "interval_s": 300} | columns
    return [probe(AT - D + n * 5 * M, **given) for n in range(ran)]


def test_monitoring_counts_objects_whose_probes_ran_with_an_alert() -> None:
    square = connected(AT - 10 * D)
    every = [row for c in COMPONENTS for row in monitored(c)]
    rows = [*square, *every, *monitored("integration", integration="square")]
    with World(rows) as world:
        cell = world.cell("proactive_monitoring")
        assert (cell.value, cell.n, cell.verdict) == (100.0, 6, "met")
        # 95 % of 288 are 273.6
        for row in [r for r in rows if r["fact"] == "probe" and r["component"] == "queue"][:14]:
            world.add(row | {"alerting": False})
        assert world.cell("proactive_monitoring").value == 100.0
        world.add([r for r in rows if r.get("component") == "queue"][14] | {"alerting": False})
        cell = world.cell("proactive_monitoring")
        assert (cell.value, cell.verdict) == (pytest.approx(500 / 6), "not_met")
        # a second location of a check is a schedule of its own
        world.add(monitored("hub_ui", 100, location="us"))
        assert world.cell("proactive_monitoring").value == pytest.approx(400 / 6)


def test_monitoring_without_integration_is_not_enough_and_without_probes_no_data() -> None:
    with World([row for c in COMPONENTS for row in monitored(c)]) as world:
        cell = world.cell("proactive_monitoring")
        assert (cell.value, cell.n, cell.verdict) == (100.0, 5, "insufficient_data")
        none = world.cell("proactive_monitoring", at=AT + 2 * D)
        assert (none.value, none.verdict) == (None, "no_data"), "zero without a heartbeat"
        world.add(probe(AT + 2 * D - H, component="queue", integration=None, alerting=False))
        zero = world.cell("proactive_monitoring", at=AT + 2 * D)
        assert (zero.value, zero.verdict) == (0.0, "insufficient_data")
