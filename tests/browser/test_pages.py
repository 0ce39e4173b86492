"""Every page that a person reaches: nothing goes wrong in the browser, everybody can use it.

The whole walk (all widths, all roles, paper) is ``./run proof browser``; docs/proofs/browser.md.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from browser.house import House
from browser.walk import HEIGHTS, SCHEMES, crawl, kind_of, visiting
from meterstone.people.rights import Role
from meterstone.publish.web.nav import ENTRIES

_MOST_STOPS = 100
"""Longer pages are gone through by the proof alone."""

_DASHBOARDS = {Role.EXECUTIVE: "/executive", Role.OPERATOR: "/operations", Role.OWNER: "/owners/{}"}


@pytest.fixture(scope="module")
def reached(house: House, chrome: Browser) -> dict[str, list[str]]:
    """What an administrator reaches by links from the first page."""
    with house.as_(chrome, Role.ADMIN) as context:
        return crawl(context, house.address)


def test_an_administrator_reaches_every_entry_of_the_house(reached: dict[str, list[str]]) -> None:
    assert {entry.path for entry in ENTRIES} <= {
        kind_of(p) for each in reached.values() for p in each
    }


def test_every_page_holds_in_light_and_dark_on_a_phone_and_a_screen(
    house: House, chrome: Browser, reached: dict[str, list[str]]
) -> None:
    wrong = []
    looks = [(390, "dark"), (1280, "light")]
    for width, scheme in looks:
        size = {"width": width, "height": HEIGHTS[width]}
        with house.as_(chrome, Role.ADMIN, viewport=size, color_scheme=scheme) as context:
            for path, *_ in reached.values():
                with visiting(context, house.address, path) as visit:
                    visit.judge()
                    if width == 1280:
                        visit.tab_through(_MOST_STOPS)
                wrong += [f"{path} {width} {scheme}: {each}" for each in visit.wrong]
    assert not wrong, "\n" + "\n".join(wrong)


@pytest.mark.parametrize("role", _DASHBOARDS)
def test_a_role_begins_at_its_own_dashboard(house: House, chrome: Browser, role: Role) -> None:
    with house.as_(chrome, role) as context, visiting(context, house.address, "/") as visit:
        assert visit.page.url == house.address + _DASHBOARDS[role].format(house.shop)
        for scheme in SCHEMES:
            visit.page.emulate_media(color_scheme=scheme)
            visit.judge()
    assert not visit.wrong


def test_a_stranger_sees_the_way_in_and_nothing_else(house: House, chrome: Browser) -> None:
    with house.as_(chrome, None) as context, visiting(context, house.address, "/login") as visit:
        visit.judge()
        visit.tab_through()
        visit.page.goto(house.address + "/executive")
        assert "/login" in visit.page.url
    assert not visit.wrong
