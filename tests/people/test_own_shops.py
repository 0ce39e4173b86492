"""Ten shops with numbers of their own: an owner of one reads everything that opens, and finds
neither name nor number of another shop, nor of the network."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from homes import probe_line
from meterstone.cli.site import site_app
from meterstone.cli.telemetry import Telemetry
from meterstone.measure.results import Scope
from meterstone.people.rights import Right, Role
from meterstone.record.model import facts_of_ours
from visitors import bearer, session, sign_in
from whole import URL, House, whole_house

from .test_pages import HTML, Browser

SHOPS = [f"ZEBRA{n:02}" for n in range(1, 11)]
OWN = SHOPS[0]
METRIC = """
  - ref: Own.bookings
    id: owner_revenue_increase
    title: Bookings kept
    kind: ratio
    unit: '%'
    target: {cmp: '>=', value: 50, unit: '%'}
    scopes: [network, franchise]
    window: calendar day
    definition: 100 x kept / all
    from: booking
    terms: {kept: "count(*) filter (where status = 'completed')", all: count(*)}
    numerator: kept
    denominator: all
    sample_unit: bookings
    uncertainty: wilson
"""


def booking(shop: int, number: int, day: str) -> str:
    """Shop n keeps 40 + n of 97 bookings: no two shops have the same share."""
    return json.dumps({
        "fact": "booking", "booking_id": f"b{shop}-{number}", "franchise_id": SHOPS[shop],
        "created_at": f"{day}T12:00:00Z", "starts_at": f"{day}T13:00:00Z", "origin": "hub",
        "status": "completed" if number < 40 + shop else "cancelled", "amount_usd": "10.00",
    })  # fmt: skip


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder: Path = tmp_path_factory.mktemp("shops")
    with whole_house(folder, more_metrics=METRIC) as served:
        home = served.home
        day = str(home.last_day)
        lines = [booking(shop, number, day) for shop in range(10) for number in range(97)]
        lines.append(probe_line(f"{day}T12:00:00Z", ok=True))
        home.recorder.land(facts_of_ours("\n".join(lines).encode() + b"\n", "bookings", "hub"))
        home.recorder.map_new()
        home.evaluator.run_once()
        yield served


def test_the_house_has_ten_shops_with_numbers(house: House) -> None:
    """Or else nothing could leak below."""
    board = house.home.board
    assert [named.scope.key for named in board.scopes("franchise")] == SHOPS
    card = board.card(Scope("franchise", SHOPS[5]))
    assert card is not None
    assert [
        m["value"] for m in card.document["metrics"] if m["id"] == "owner_revenue_increase"
    ] == [pytest.approx(100 * 45 / 97)]
    reader = Browser(house, session(house.home, Role.ANALYST))
    assert reader.open(f"/owners/{SHOPS[5]}") == 200
    assert "46.4" in reader.text


def found_by(browser: Browser, house: House) -> Iterator[tuple[str, str]]:
    """What an owner comes to: by links, by every route, and by what can be asked for."""
    waiting = ["/", f"/owners/{OWN}", "/account", "/search?q=ZEBRA", "/search?q=bookings"]
    waiting += [
        f"/owners/{OWN}/metrics/owner_revenue_increase",
        f"/owners/{OWN}?known_at=2030-01-01T00:00:00Z",
    ]
    waiting += [path.replace("{franchise}", OWN) for m, path in house.routes if m == "GET"]
    waiting = [re.sub(r"\{[^}]+\}", "owner_revenue_increase", path) for path in waiting]
    seen = set[str]()
    while waiting:
        path = waiting.pop()
        if path in seen or path.startswith(("/live", "/static")):
            continue
        seen.add(path)
        if browser.open(path) == 200:
            yield path, browser.text
            waiting += re.findall(r'href="(/[^"#]*)', browser.text)


def test_an_owner_finds_neither_name_nor_number_of_others(house: House) -> None:
    browser = Browser(house, session(house.home, Role.OWNER, [OWN]))
    quartiles = {3, 5, 7}  # of nine other shops: that is what is told of them, without a name
    told_of_nobody = [
        f"{100 * (40 + shop) / 97:.1f}" for shop in range(1, 10) if shop not in quartiles
    ]
    opened = dict(found_by(browser, house))
    assert f"/owners/{OWN}" in opened
    for path, text in opened.items():
        others = [shop for shop in SHOPS[1:] if shop in text]
        assert not others, path
        single = [share for share in told_of_nobody if re.search(rf"\b{re.escape(share)} ?%", text)]
        assert not single, path


def test_an_owners_token_sees_what_the_owner_sees(house: House) -> None:
    people = house.home.people
    secret = session(house.home, Role.OWNER, [OWN])
    who = people.sessions.of(secret)
    assert who is not None
    made = people.tokens.make(who.person, "sheet", [Right.OWNERS], 1)
    headers = {"Authorization": f"Bearer {made.secret}"}
    client = house.clients["stranger"]
    own = client.get(f"/owners/{OWN}", headers=headers)
    other = client.get(f"/owners/{SHOPS[1]}", headers=headers)
    every = client.get("/owners", headers=headers)
    assert (own.status_code, other.status_code, every.status_code) == (200, 404, 403)
    whole = client.get("/owners", headers=bearer(people, Right.OWNERS))
    assert whole.status_code == 200
    assert SHOPS[1] in whole.text


def test_a_role_that_loses_a_shop_loses_its_page_at_once(house: House) -> None:
    people = house.home.people
    made = people.directory.add("test", name="shrinking", role="owner", franchises=SHOPS[:2])
    client = sign_in(house.clients["stranger"], house.home, Role.OWNER, SHOPS[:2])
    try:
        assert client.get(f"/owners/{SHOPS[1]}").status_code == 200
        people.directory.change("test", made.id, franchises=[OWN])
        assert client.get(f"/owners/{SHOPS[1]}").status_code == 404
        assert client.get(f"/owners/{OWN}").status_code == 200
    finally:
        client.cookies.clear()
        client.headers.pop("X-CSRF-Token")


def test_what_is_kept_for_one_reader_is_not_given_to_another(house: House) -> None:
    """The whole application, with the answers that it keeps."""
    home = house.home
    app = site_app(home, URL, Telemetry({}))

    def visitor(role: Role, *shops: str) -> TestClient:
        return sign_in(TestClient(app, headers=HTML), home, role, shops)

    reader, one, two = (
        visitor(Role.ANALYST), visitor(Role.OWNER, SHOPS[0]), visitor(Role.OWNER, SHOPS[1]),
    )  # fmt: skip
    for _ in range(2):  # the second time from what was kept
        for shop in SHOPS[:2]:
            assert reader.get(f"/owners/{shop}").status_code == 200
        assert one.get(f"/owners/{SHOPS[0]}").status_code == 200
        assert two.get(f"/owners/{SHOPS[1]}").status_code == 200
        assert one.get(f"/owners/{SHOPS[1]}").status_code == 404
        assert two.get(f"/owners/{SHOPS[0]}").status_code == 404
        assert one.get("/owners").status_code == 403
        found = {
            who: client.get("/search?q=ZEBRA").text for who, client in (("1", one), ("2", two))
        }
        assert SHOPS[1] not in found["1"]
        assert SHOPS[0] not in found["2"]
        assert SHOPS[9] in reader.get("/search?q=ZEBRA").text
