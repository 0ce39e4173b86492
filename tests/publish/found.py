"""Findings in memory, of every shape that a study can give, for faces."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256

from meterstone.insight.findings import (
    Advice,
    Check,
    Column,
    Curve,
    Figure,
    Finding,
    KeptFinding,
    Picture,
    Point,
    Table,
    as_dict,
)
from meterstone.measure.results import Scope
from meterstone.scorecard.canonical import canonical

DAY = date(2026, 3, 2)
KNOWN = datetime(2026, 3, 3, 4, tzinfo=UTC)
NETWORK = Scope("network")
TITLES = {
    "forecasts": "Forecasts", "risk": "Failure risk", "anomalies": "Anomalies",
    "effect": "Effect of going live", "worth": "Worth", "outlook": "Gate outlook",
    "owners": "Value to owners",
}  # fmt: skip


@dataclass(frozen=True)
class Named:
    name: str
    title: str


@dataclass
class MemoryFindings:
    """Answers as `home.insights` does."""

    kept: list[KeptFinding] = field(default_factory=list)
    version: int = 1

    @property
    def studies(self) -> Sequence[Named]:
        return [Named(name, title) for name, title in TITLES.items()]

    def of(
        self, scope: Scope | None = None, study: str | None = None, day: date | None = None,
        known_at: datetime | None = None,
    ) -> list[KeptFinding]:  # fmt: skip
        return [
            each
            for name in TITLES
            for each in self.kept
            if each.finding.study == name
            and scope in (None, each.finding.scope)
            and study in (None, name)
            and (day is None or each.day <= day)
            and (known_at is None or each.known_at <= known_at)
        ]

    def one(
        self, study: str, key: str, scope: Scope, day: date | None = None,
        known_at: datetime | None = None,
    ) -> KeptFinding | None:  # fmt: skip
        found = self.of(scope, study, day, known_at)
        return next((each for each in found if each.finding.key == key), None)


def kept(finding: Finding, day: date = DAY, known_at: datetime = KNOWN) -> KeptFinding:
    return KeptFinding(finding, day, known_at, sha256(canonical(as_dict(finding))).hexdigest())


def finding(study: str, key: str, sentence: str = "It is so.", **more: object) -> Finding:
    usual: dict[str, object] = {
        "scope": NETWORK, "title": key.replace("_", " ").capitalize(), "method": "As it says.",
    }  # fmt: skip
    return Finding(study=study, key=key, sentence=sentence, **(usual | more))  # type: ignore[arg-type]


def revenue() -> Finding:
    """A forecast with what happened, what is expected and what naive says."""
    begin = date(2025, 10, 6)
    weeks = [begin + timedelta(weeks=n) for n in range(30)]
    past = [
        Point(str(day), 180_000 + 900 * n + 9000 * math.sin(n / 2))
        for n, day in enumerate(weeks[:22])
    ]
    ahead = [
        Point(str(day), 201_000 + 850 * n, 195_000 + 300 * n, 207_000 + 1500 * n)
        for n, day in enumerate(weeks[21:])
    ]
    naive = [Point(str(day), 199_000.0) for day in weeks[21:]]
    return finding(
        "forecasts", "platform_revenue_quarter",
        "Next quarter brings $2.61 million (95 %: $2.48 to $2.75 million); the last twelve "
        "forecasts held in 11 of 12.",
        title="Platform revenue, next quarter",
        method="An ensemble chosen at rolling origins against naive and seasonal naive; conformal "
        "intervals.",
        figures=(
            Figure("expected", "Expected", 2_610_000.0, "USD", 2_480_000.0, 2_750_000.0),
            Figure("mase", "Error beside naive (MASE)", 0.82),
            Figure("coverage", "Intervals that held", 91.7, "%"),
            Figure("model", "Model", "ARIMA, ETS and theta"),
        ),
        pictures=(
            Picture(
                "Revenue a week", "week", "USD",
                (
                    Curve("observed", "What happened", "observed", tuple(past)),
                    Curve("expected", "Expected", "expected", tuple(ahead)),
                    Curve("naive", "As last week", "compared", tuple(naive)),
                ),
                line=195_000.0,
            ),
        ),
        tables=(
            Table(
                "record", "The last twelve beside what happened",
                (
                    Column("issued", "Issued"), Column("said", "Said", "USD"),
                    Column("came", "Came", "USD"), Column("held", "In the interval"),
                ),
                tuple(
                    (f"2025-{month:02}-01", 2e6 + 5e4 * month, 2e6 + 4.6e4 * month, month != 7)
                    for month in range(12, 0, -1)
                ),
            ),
        ),
        checks=(Check("Better than naive", True, "MASE 0.82 over 24 rolling origins."),),
    )  # fmt: skip


def effect(*, withheld: bool = False) -> Finding:
    """An event study; withheld where there was a trend before."""
    points = tuple(
        Point(float(t), 0.4 * max(t, 0) + 0.1 * (t % 3), 0.4 * max(t, 0) - 1, 0.4 * max(t, 0) + 1.4)
        for t in range(-6, 8)
    )
    return finding(
        "effect", "retention" if withheld else "sales",
        "Whether going live keeps clients cannot be told yet."
        if withheld
        else "Going live raised sales by 4.1 % (95 %: 2.6 to 5.7), 61 shops, no sign of a prior "
        "trend.",
        title="Client retention" if withheld else "Sales",
        withheld="Shops that went live were gaining clients before: another 3 months of data would "
        "show whether the trend goes on."
        if withheld
        else None,
        method="Two-stage difference-in-differences over staggered go-live dates.",
        figures=(Figure("att", "Effect on sales", 4.1, "% change", 2.6, 5.7),
                 Figure("shops", "Shops that went live", 61.0)),
        pictures=(
            Picture("Effect by months since going live", "months since going live", "%",
                    (Curve("effect", "Effect", "expected", points),), line=0.0),
        ),
        checks=(
            Check("No trend before", not withheld, "Joint test of six months before: p = 0.41."
                  if not withheld else "Joint test of six months before: p = 0.003."),
            Check("Other estimators agree", True, "4.0 % and 4.3 %."),
        ),
    )  # fmt: skip


def risk(integration: str, chance: float) -> Finding:
    return finding(
        "risk", "incident_7d",
        f"An incident within 7 days is {chance:.0f} % likely, above all because its token expires "
        "in 31 h.",
        scope=Scope("integration", integration), title="An incident in the next 7 days",
        figures=(Figure("d7", "Next 7 days", chance, "%", chance - 8, chance + 11),
                 Figure("h24", "Next 24 h", chance / 5, "%")),
        advice=(
            Advice(f"renew-{integration}", "Renew the token",
                   "It expires in 31 h, and renewal failed twice.",
                   "halves the chance of an incident", f"/integrations/{integration}"),
        ),
        tables=(
            Table("reasons", "Reasons", (Column("reason", "Reason"), Column("share", "Share", "%")),
                  (("Token expires in 31 h", 61.0), ("Latency drifts", 22.5), ("Backlog", None))),
        ),
    )  # fmt: skip


def examples() -> list[KeptFinding]:
    """One or more of most studies, claimed and withheld."""
    return [
        kept(each)
        for each in (
            risk("square", 38), risk("clover", 7), revenue(), effect(), effect(withheld=True),
            finding(
                "worth", "roi",
                "ROI is 242.16 % as claimed and 118 % as proven (95 %: 61 to 180).",
                title="Return on investment",
                figures=(Figure("claimed", "As claimed", 242.16, "%"),
                         Figure("proven", "As proven", 118.0, "%", 61.0, 180.0),
                         Figure("payback", "Paid back after", 14.0, "months", 10.0, 21.0)),
                advice=(Advice("prove-hours", "Prove the saved hours of 22 shops",
                               "Half of the benefit rests on claims alone.", "$310,000 a year"),),
            ),
            finding(
                "anomalies", "integration_uptime",
                "Uptime fell on 1 March to 98.2 %; Clover moved it, at its orders.",
                title="Integration uptime", scope=NETWORK,
                figures=(Figure("score", "Score", 0.98),),
            ),
            finding(
                "owners", "value",
                "Your shop saves 6.2 h a week (95 %: 4.8 to 7.7), worth $1,240 a month.",
                scope=Scope("franchise", "F1"), title="What it is worth to your shop",
                figures=(Figure("hours", "Hours saved a week", 6.2, "h", 4.8, 7.7),
                         Figure("money", "Worth a month", 1240.0, "USD")),
                advice=(Advice("online", "Take bookings online for two more chairs",
                               "Half of the shops like yours do.", "$420 a month"),),
            ),
        )
    ]  # fmt: skip
