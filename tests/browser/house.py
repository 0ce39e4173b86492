"""A demonstration that runs, and people of every role in it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, sync_playwright

from browser.judges import launched
from meterstone.app import definitions, framework_path
from meterstone.board.kept import KeptBoard
from meterstone.insight.findings import as_dict
from meterstone.ledger import Ledger
from meterstone.ledger.alerts import Incident
from meterstone.ledger.findings import FindingBody
from meterstone.measure.results import Scope
from meterstone.notify.model import Route
from meterstone.people.guard import Cookies
from meterstone.people.rights import Role
from meterstone.people.service import House as People
from meterstone.people.sessions import Browser as From
from meterstone.scorecard.canonical import canonical
from publish.found import examples
from running import running

_READY_S = 600.0
_VENDORS = 9
_PASSWORD = "four words not together"  # noqa: S105  # of the first administrator
NETWORK = Scope("network")


@dataclass
class House:
    """A home that is served.

    Attributes:
        address: where.
        home: its folder.
        set_up: the one-time link, as it was printed.
        first: what the first administrator was told, who came by that link.
    """

    address: str
    home: Path
    set_up: str = ""
    first: str = ""
    _cookies: dict[Role, str] = field(default_factory=dict)

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger of the home, beside the process that serves it."""
        return Ledger.open(self.home, None)

    @cached_property
    def board(self) -> KeptBoard:
        """What its faces show."""
        return KeptBoard(self.ledger, lambda: definitions(framework_path()))

    @cached_property
    def shop(self) -> str:
        """A franchise."""
        return self.board.scopes("franchise")[0].scope.key

    def history(self) -> set[str]:
        """The days of which values are kept."""
        with self.ledger.read() as seen:
            kept = seen.scorecards.values("network", "*")
        return {day for days in kept.values() for day in days}

    def await_numbers(self) -> None:
        """Wait until everything is measured and the vendors are connected."""
        until = time.monotonic() + _READY_S
        while time.monotonic() < until:
            with self.ledger.read() as seen:
                connected = {each.connector for each in seen.connections.all()}
            if len(connected) == _VENDORS and self.history():
                return
            time.sleep(0.5)
        raise TimeoutError("the demonstration does not come to life")

    def await_incident(self) -> None:
        """Wait until something is broken that nobody has taken on: the first vendor has trouble two
        minutes after the beginning, and its error budget stays spent."""
        until = time.monotonic() + _READY_S
        while time.monotonic() < until:
            with self.ledger.read() as seen:
                if any(not each.acknowledged_by for each in seen.alerts.incidents(open_=True)):
                    return
            time.sleep(0.5)
        raise TimeoutError("nothing breaks in the demonstration")

    def enter(self) -> None:
        """Follow the set-up link, before anybody else is there, and ask what is broken."""
        with ThreadPoolExecutor(1) as beside:  # Playwright's loop: this thread may have one
            self._cookies[Role.ADMIN], self.first = beside.submit(_entered, self.set_up).result()

    def keep_findings(self) -> None:
        """Keep findings of every study, so that pages have something to show: the studies
        themselves take minutes."""
        day, shop = self.board.days(NETWORK)[-1], Scope("franchise", self.shop)
        told: dict[str, list[FindingBody]] = {}
        for each in examples():
            found = each.finding
            if found.scope.kind == "franchise":
                found = replace(found, scope=shop)
            scope = found.scope
            body = FindingBody(scope.kind, scope.key, found.key, canonical(as_dict(found)))
            told.setdefault(found.study, []).append(body)
        with self.ledger.change("tests") as change:
            for study, bodies in told.items():
                change.findings.keep(study, day, datetime.now(UTC), "tests", 0.0, bodies)

    def keep_things(self) -> None:
        """Keep one of each thing that comes by time or by hand: an open incident, a way to be told,
        a report."""
        now = datetime.now(UTC)
        open_one = Incident(
            id="example", kind="availability", severity="sev2", fault="provider",
            cause_key="example", integration="square", franchises=(self.shop,),
            title="Square <is> late", says="Payments come in late; nothing is lost.",
            next="Wait, or ask Square.", started_at=now, detected_at=now,
        )  # fmt: skip
        with self.ledger.change("tests") as change:
            change.alerts.put_incident(open_one)
            channel = change.notices.add_channel("Example", "mail")
            route = Route(name="Example", channel=channel.id, kinds=("security",))
            change.notices.put_route(route.name, route.settings())
            change.reports.ask("daily", str(NETWORK), self.board.days(NETWORK)[-1])

    def cookie(self, role: Role) -> str:
        """The secret of a session of somebody with a role."""
        if role not in self._cookies:
            owned = [self.shop] if role is Role.OWNER else []
            people, name = People(self.ledger), f"test-{role}"
            made = next((each for each in people.directory.all() if each.name == name), None)
            made = made or people.directory.add("tests", name=name, role=role, franchises=owned)
            with self.ledger.change("tests") as change:
                begun = people.sessions.begin(change, made.id, From("tests"))
            self._cookies[role] = begun.secret
        return self._cookies[role]

    @contextmanager
    def as_(
        self, browser: Browser, role: Role | None, **options: object
    ) -> Iterator[BrowserContext]:
        """A browser in which somebody of a role is signed in; None: a stranger."""
        context = browser.new_context(
            base_url=self.address, locale="en-GB", reduced_motion="reduce", **options
        )
        context.set_default_timeout(60_000)
        if role is not None:
            name = Cookies(https=False).session
            context.add_cookies([{"name": name, "value": self.cookie(role), "url": self.address}])
        try:
            yield context
        finally:
            context.close()


def _entered(link: str) -> tuple[str, str]:
    """The secret of the session, and what the page says that answers the first question."""
    with sync_playwright() as playwright:
        browser = launched(playwright)
        page = browser.new_page(locale="en-GB", reduced_motion="reduce")
        page.set_default_timeout(60_000)
        page.goto(link)
        page.get_by_label("Name to sign in with").fill(f"test-{Role.ADMIN}")
        page.get_by_label("Password", exact=True).fill(_PASSWORD)
        page.get_by_label("The same password again").fill(_PASSWORD)
        page.get_by_role("button", name="Set up and sign in").click()
        page.get_by_role("link", name="Operations", exact=True).click()
        page.wait_for_url("**/operations")
        text = page.inner_text("main")
        name = Cookies(https=False).session
        secret = {each["name"]: each["value"] for each in page.context.cookies()}[name]
        browser.close()
    return secret, text


def given() -> AbstractContextManager[House] | None:
    """The demonstration that ``METERSTONE_DEMONSTRATION=ADDRESS,FOLDER`` names: one that runs
    already, for whoever works on pages."""
    named = os.environ.get("METERSTONE_DEMONSTRATION")
    if not named:
        return None
    address, folder = named.split(",")
    return nullcontext(House(address, Path(folder)))


@contextmanager
def demonstration(folder: Path) -> Iterator[House]:
    """``meterstone demo``, measured and alive."""
    with running(folder, "demo") as process:
        house = House(process.address, folder / "network", str(process.said["set_up"]))
        house.await_numbers()
        house.enter()
        house.keep_findings()
        house.keep_things()
        yield house
        code, _ = process.stop()
        assert code == 0
