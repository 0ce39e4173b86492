"""Each question of each person is answered from the first page in at most three clicks.

Answers are looked for in the page's own part, ``main``, never in the navigation. What studies
found (returns, effects, forecasts, risks, what it is worth to a shop) are examples that
`House.keep_findings` has put there: studies of the demonstration take minutes. These walks show
that such a finding is found and read, not that the demonstration comes to it. All else is what the
demonstration measures as it runs.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page

from browser.house import House
from meterstone.people.rights import Role

MOST_CLICKS = 3
PATIENCE_S = 60.0
"""For what comes while one looks, such as a report that is being made."""
BROKEN = (
    r"since (\d+ \w+, )?\d\d:\d\d, for [\d.].+? · found after [\d.].+? · "
    r"fault: (the vendor's|ours|the caller's) · (\d+ shops|F\d{4})"
)
"""An incident in a list: since when, whose fault, who is affected."""
INTERVAL = r"\(95 %: −?\$?[\d.]+ to −?\$?[\d.]+"
PEERS = r"([89]|[1-9]\d+) other shops"
"""Eight at least: of fewer nothing may be said."""


@dataclass(frozen=True)
class Walk:
    """A question, the links and buttons that lead to its answer, and what the answer says.

    A step is the name of a link, button, choice or summary as it is read out, as a regular
    expression.

    Attributes:
        broken: it is asked while something is broken.
        within: the part of the page that answers.
    """

    role: Role
    question: str
    clicks: tuple[str, ...]
    answer: str
    broken: bool = False
    within: str = "main"

    def __str__(self) -> str:
        return f"{self.role}: {self.question}"


WALKS = (
    Walk(Role.OPERATOR, "what is broken, since when, whose fault, who is affected?", (),
         rf"Open now Severity \d \S.+? {BROKEN} .+? Next: \S", broken=True),
    Walk(Role.OPERATOR, "whose fault, who is affected, what next?",
         ("^Incidents$", "^Take it on$"),
         r"What to do next \S.+? What happened Began .+? the first bad event .+? Next: \S.+? "
         r"Fault (the vendor's|ours|the caller's) Affected (\d+ shops|F\d{4}).+? "
         r"Who is affected F\d{4}", broken=True),
    Walk(Role.OPERATOR, "is the connection signed in?", ("^More$", "^Connections"),
         r"^9 systems connected.+? Connections to Square .+? Next \S.*? Connected \S+ "
         r"\d+ \w+ 20\d\d"),
    Walk(Role.ANALYST, "are we on target?", (), r"^\d+ of \d+ targets met\."),
    Walk(Role.ANALYST, "how many days in a row, when shall we pass?", ("^Gates$",),
         r"targets met on 30 consecutive days Day \d+ of 30 in a row at the earliest on "
         r"\d+ \w+( 20\d\d)?; at today's level it passes with a chance of (less than )?[\d.]+ %"),
    Walk(Role.ANALYST, "what will break the run first?",
         ("^Gates$", "^All operational targets|^Success"),
         r"What will break the run first Each by the chance .+? Verdict \S.+? "
         r"(less than )?[\d.]+ % \S"),
    Walk(Role.EXECUTIVE, "did it pay back?", (),
         rf"ROI is [\d.]+ % as claimed and [\d.]+ % as proven {INTERVAL}\)"),
    Walk(Role.EXECUTIVE, "what did going live do, and is it proven?", ("^Sales$",),
         rf"^Going live raised sales by [\d.]+ % {INTERVAL}\), \d+ shops, no sign of a prior "
         r"trend\..+? No trend before Holds"),
    Walk(Role.EXECUTIVE, "what comes next quarter, and were you right before?",
         ("^Platform revenue",),
         rf"^Next quarter brings \$[\d.]+ million {INTERVAL} million\).+? The last twelve beside "
         r"what happened Issued Said Came In the interval "
         r"\d+ \w+ 20\d\d \$[\d,]+ \$[\d,]+ (yes|no)"),
    Walk(Role.OPERATOR, "what breaks next, why, and what prevents it?", ("^Insight$",),
         r"Square An incident within 7 days is \d+ % likely, above all because its token expires "
         r"in 31 h\..+? Worth doing next Renew the token Square: It expires"),
    Walk(Role.OWNER, "what is it worth to my shop?", (),
         rf"Your shop saves [\d.]+ h a week {INTERVAL}\), worth \$[\d,]+ a month"),
    Walk(Role.EXECUTIVE, "can I show this to the board?",
         ("^Reports for the board$", "^Monthly executive report for", "^Make it$"),
         r"^This report is ready\. Monthly executive report: The whole network.+? PDF [\d,]+ kB "
         r"\S+\.pdf, SHA-256 [0-9a-f]{64}.+? They say what scorecard [0-9a-f]{64} says"),
    Walk(Role.OWNER, "what did it do for my shop?", (),
         r"Your numbers Hours you get back each week [\d.]+ h a week Your shop works [\d.]+ h a "
         r"week less by hand than before\."),
    Walk(Role.OWNER, "compared with shops like mine?", (),
         rf"compared with {PEERS} of the network, none of which can be recognised\..+? "
         r"half of the other shops: [\d.]+ h a week to [\d.]+ h a week"),
    Walk(Role.OWNER, "what should I do next?", (),
         r"Worth doing next \S.+? Worth: \$[\d,]+ a month"),
    Walk(Role.ANALYST, "trace a number to its rows",
         ("^Metrics$", "^Integration uptime$", "^Trace it to its rows$"),
         r"^[\d.]+ % rests on [\d,]+ rows\..+? probe [\d,]+ rows from \d+ landed records?; "
         r"the newest \d"),
    Walk(Role.ANALYST, "give me the numbers in my tool", ("^The signed document$",),
         r'"content_hash":"[0-9a-f]{64}".+"metrics":\[\{.+"signature":\{"algorithm":"Ed25519"',
         within="body"),
    Walk(Role.AUDITOR, "prove that nobody edited this",
         ("^More$", "^Audit log", "^Recompute and verify$"),
         r"^Nobody edited the log\. [\d,]+ entries were recomputed and held against \d+ signed "
         r"checkpoints"),
)  # fmt: skip


@pytest.mark.parametrize("walk", WALKS, ids=str)
def test_a_question_is_answered_in_three_clicks(house: House, chrome: Browser, walk: Walk) -> None:
    assert len(walk.clicks) <= MOST_CLICKS
    if walk.broken:
        house.await_incident()
    with house.as_(chrome, walk.role) as context:
        page = context.new_page()
        page.goto("/")
        for step in walk.clicks:
            _click(page, re.compile(step))
        until = time.monotonic() + PATIENCE_S
        while not re.search(walk.answer, text := _said(page.inner_text(walk.within))):
            assert time.monotonic() < until, text[:2000]
            page.wait_for_timeout(250)


def test_the_first_question_is_answered_to_whoever_follows_the_set_up_link(
    house: House, chrome: Browser
) -> None:
    """`House.enter` has followed the link that ``meterstone demo`` printed, when nobody was there
    yet, chosen a name and a password, and clicked on Operations; no example was there then."""
    if not house.set_up:
        pytest.skip("a demonstration that runs already was set up by somebody else")
    nothing = "Nothing is open right now"
    assert re.search(rf"Open now ({nothing}|Severity \d \S.+? {BROKEN})", _said(house.first))
    with house.as_(chrome, Role.ADMIN) as context:
        page = context.new_page()
        page.goto("/account")
        assert _said(page.inner_text("main")).startswith(f"You are signed in as test-{Role.ADMIN}.")
        page.goto(house.set_up)
        assert "this link was used already" in page.inner_text("main")


def _said(text: str) -> str:
    """What is read, without what only lays it out."""
    return " ".join(text.split())


def _click(page: Page, name: re.Pattern[str]) -> None:
    """Click the first link, choice or button of this name, or open what it folds."""
    folded = page.locator("summary", has_text=name)
    roles = [page.get_by_role(role, name=name) for role in ("link", "radio", "button")]
    chosen = next(found for found in (roles[0], folded, *roles[1:]) if found.count())
    chosen.first.click()
    page.wait_for_load_state("load")
