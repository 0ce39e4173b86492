"""Each question of each person is answered from the first page in at most three clicks."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page

from browser.house import House
from meterstone.people.rights import Role

MOST_CLICKS = 3


@dataclass(frozen=True)
class Walk:
    """A question, the links and buttons that lead to its answer, and what the answer says.

    A step is the name of a link, button or summary as it is read out, as a regular expression.
    """

    role: Role
    question: str
    clicks: tuple[str, ...]
    answer: str

    def __str__(self) -> str:
        return f"{self.role}: {self.question}"


WALKS = (
    Walk(Role.OPERATOR, "what is broken, since when?", (), r"since|Nothing is broken|holds"),
    Walk(Role.OPERATOR, "whose fault, who is affected, what next?", ("^Incidents$",),
         r"incident"),
    Walk(Role.OPERATOR, "is the connection signed in?", ("^More$", "^Connections"), r"Connected"),
    Walk(Role.ANALYST, "are we on target?", (), r"\d+ targets? of \d+ met|\d+ of \d+"),
    Walk(Role.ANALYST, "how many days in a row, when shall we pass?", ("^Gates$",),
         r"of \d+ in a row at the earliest on"),
    Walk(Role.ANALYST, "what will break the run first?",
         ("^Gates$", "^All operational targets|^Success"), r"What will break the run first"),
    Walk(Role.EXECUTIVE, "did it pay back?", (), r"ROI"),
    Walk(Role.EXECUTIVE, "what did going live do, and is it proven?", ("^Sales$",),
         r"no sign of a prior trend"),
    Walk(Role.EXECUTIVE, "what comes next quarter, and were you right before?",
         ("^Platform revenue",), r"The last twelve beside what happened"),
    Walk(Role.OPERATOR, "what breaks next, why, and what prevents it?", ("^Insight$",),
         r"token expires .* Renew the token"),
    Walk(Role.OWNER, "what is it worth to my shop?", (), r"Your shop saves [\d.]+ h a week"),
    Walk(Role.EXECUTIVE, "can I show this to the board?", ("^Reports for the board$",), r"PDF"),
    Walk(Role.OWNER, "what did it do for my shop?", (), r"Your|your shop"),
    Walk(Role.OWNER, "compared with shops like mine?", (), r"shops like|others|the others"),
    Walk(Role.OWNER, "what should I do next?", (), r"Worth doing next"),
    Walk(Role.ANALYST, "trace a number to its rows",
         ("^Metrics$", "^Integration uptime$", "^Trace it to its rows$"), r"rests on [\d,]+ rows"),
    Walk(Role.ANALYST, "give me the numbers in my tool",
         ("^The signed document$",), r"content_hash"),
    Walk(Role.AUDITOR, "prove that nobody edited this", ("^More$", "^Audit log"),
         r"root|proof|proven"),
)  # fmt: skip


@pytest.mark.parametrize("walk", WALKS, ids=str)
def test_a_question_is_answered_in_three_clicks(house: House, chrome: Browser, walk: Walk) -> None:
    assert len(walk.clicks) <= MOST_CLICKS
    with house.as_(chrome, walk.role) as context:
        page = context.new_page()
        page.goto("/")
        for step in walk.clicks:
            _click(page, re.compile(step))
        text = " ".join(page.inner_text("body").split())
    assert re.search(walk.answer, text, re.IGNORECASE), text[:600]


def _click(page: Page, name: re.Pattern[str]) -> None:
    """Click the first link or button of this name, or open what it folds."""
    link = page.get_by_role("link", name=name)
    folded = page.locator("summary", has_text=name)
    chosen = link if link.count() else folded if folded.count() else page.get_by_role(
        "button", name=name
    )  # fmt: skip
    chosen.first.click()
    page.wait_for_load_state("load")
