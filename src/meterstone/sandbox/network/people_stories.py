"""Stories that customers let be told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from meterstone.sandbox.network.facts import Facts
from meterstone.sandbox.network.presets import months_before
from meterstone.sandbox.network.shops import review
from meterstone.sandbox.network.world import DAY, World


@dataclass(frozen=True, slots=True)
class StoryKnobs:
    """How many stories are published a quarter, and how long ago their register was reviewed."""

    a_quarter: int = 29
    reviewed_days_before: int = 3


@dataclass(frozen=True, slots=True)
class Story:
    """One story; it counts where it is published with the consent of the customer."""

    id: str
    customer: str
    dated: date
    status: str = "published"
    consent: str | None = "signed"

    @property
    def counts(self) -> bool:
        """Published, with consent."""
        return self.status == "published" and self.consent is not None


def simulate_stories(world: World, facts: Facts, knobs: StoryKnobs) -> list[Story]:
    """Stories by quarter, with those that do not count, and the reviews of their register."""
    if not world.shops:
        return []
    found: list[Story] = []
    first = months_before(world.end, 3)
    while first >= world.start:
        found += _quarter(world, first, knobs.a_quarter)
        first = months_before(first, 3)
    for story in found:
        is_shop = story.customer.startswith("F")
        facts.attest(
            "recognition", recognition_id=story.id, kind="story", title="A customer story",
            issuer="a customer" if is_shop else story.customer, independent=True,
            franchise_id=story.customer if is_shop else None, dated_on=story.dated,
            status=story.status, consent_ref=story.consent, expires_at=world.end + 2000 * DAY,
        )  # fmt: skip
    review(world, facts, "recognition", last=knobs.reviewed_days_before)
    return found


def _quarter(world: World, first: datetime, number: int) -> list[Story]:
    last = months_before(first, -3) - DAY
    shops = world.open_shops(first)
    name = f"people-story-{first:%Y-%m}"
    if not shops:
        return []
    found = []
    number += first.month % 2  # one more in the first and the third quarter
    for nth in range(min(number, len(shops))):
        customer = shops[nth * 7 % len(shops)].id if nth % 5 else world.clients[nth].id
        dated = (first + timedelta(days=nth * 89 // max(number - 1, 1))).date()
        found.append(Story(f"{name}-{nth}", customer, dated))
    again = found[0]
    found += [
        Story(f"{name}-again", again.customer, last.date()),
        Story(f"{name}-draft", shops[-1].id, first.date(), status="pending"),
        Story(f"{name}-unasked", shops[-1].id, first.date(), consent=None),
        Story(f"{name}-withdrawn", shops[-1].id, first.date(), status="withdrawn"),
        Story(f"{name}-late", "K-last-day", last.date()),
    ]
    return found


def told(stories: list[Story], end: datetime) -> int:
    """Customers with a story that counts in the quarter before a quarter's end."""
    first = months_before(end, 3).date()
    return len({s.customer for s in stories if s.counts and first <= s.dated < end.date()})
