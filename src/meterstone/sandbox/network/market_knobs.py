"""How the market is in each story."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Knobs:
    """The market of one story.

    Attributes:
        quarters: how many quarters were observed, the newest one included.
        catalogue_quarters: in how many of them catalogues were looked at.
        unknown_quarters: for how many of the newest quarters releases are not known yet.
        share: own share of the market's units in the newest quarter.
        share_growth: by what factor the share grew each quarter.
        rivals: shares of the competitors.
        catalogues: integrations in the competitors' public catalogues.
        satisfied: satisfaction with the own company and with the competitors (0..1).
        rival_releases: feature releases of each competitor in a quarter.
        offered_every: each feature of such a number is offered by a competitor as well.
        independent: whether the source of the market's size is independent.
        catalogue_expires: days after which an observed catalogue is no evidence any more.
        releases: days of a month on which a feature is released.
        silent_months: closed months back from the end without a release.
        awards, keynotes: independent ones in the last year.
        patents, applications: families granted in technology, and pending.
        leader: whether there are an innovation award and a first place of a ranking; else the
            company is only mentioned, on the last day.
        reviewed: days between the last review of the registers and the end.
        partners: certified ones.
        developers: accounts, those of whom calls are known included.
        downloads: of marketplace items, first ones.
        decisions: days between two decisions to adopt; every ``late``-th came late to production.
        partner_usd: invoiced for partners a month.
    """

    quarters: int = 13
    catalogue_quarters: int = 13
    unknown_quarters: int = 0
    share: float = 0.42
    share_growth: float = 1.07
    rivals: tuple[float, ...] = (0.24, 0.16, 0.09, 0.04)
    catalogues: tuple[int, ...] = (11, 13, 15, 16)
    satisfied: tuple[float, ...] = (0.9, 0.7, 0.72, 0.74)
    rival_releases: tuple[int, ...] = (2, 3, 3)
    offered_every: int = 10
    independent: bool = True
    catalogue_expires: int = 900
    releases: tuple[int, ...] = (4, 11, 18, 25)
    silent_months: tuple[int, ...] = ()
    awards: int = 7
    keynotes: int = 5
    patents: int = 13
    applications: int = 7
    leader: bool = True
    reviewed: int = 3
    partners: int = 130
    developers: int = 600
    downloads: int = 10_600
    decisions: int = 13
    late: int = 29
    partner_usd: int = 480_000


_THRIVING = Knobs()

KNOBS = {
    "thriving": _THRIVING,
    "struggling": replace(
        _THRIVING,
        satisfied=(0.78, 0.7, 0.72, 0.74),
        rival_releases=(6, 8, 8),
        offered_every=3,
        patents=7,
        applications=3,
        partners=84,
        downloads=8_300,
        late=4,
    ),
    "honest": Knobs(
        quarters=5,
        catalogue_quarters=3,
        unknown_quarters=1,
        share=0.12,
        share_growth=0.97,
        rivals=(0.33, 0.1),
        catalogues=(9, 12, 14),
        satisfied=(0.71, 0.69, 0.66),
        rival_releases=(1, 2, 2),
        offered_every=2,
        independent=False,
        catalogue_expires=10,
        releases=(9,),
        silent_months=(2, 7, 13),
        awards=1,
        keynotes=1,
        patents=2,
        applications=0,
        leader=False,
        reviewed=120,
        partners=12,
        developers=9,
        downloads=240,
        decisions=60,
        late=3,
        partner_usd=9_000,
    ),
    "quiet": Knobs(quarters=0, partners=0, developers=0, downloads=0),
}
