"""The page of a catalogue says of every place what is asked, and of what."""

from __future__ import annotations

import pytest

from meterstone.catalogue.describe import anchor, markdown, target_text
from meterstone.catalogue.model import Target

from .conftest import BASE, Load, changed


@pytest.fixture
def page(load: Load) -> str:
    text = changed("min_sample: 7\n", "min_sample: 7\n    note: as <asked>\n    literal: < 1s\n")
    text = changed(
        "    numerator: good\n",
        "    gates: [{title: enough | sold, holds: all_ > 1}]\n    inputs: [wait]\n"
        "    numerator: good\n",
        text,
    )
    text = changed(
        "    group: Shop\n",
        "    group: [Shop.calls, Shop.sales]\n    except: [Shop.calls.state]\n",
        text,
    )
    return markdown(load(text + "    note: for a month\n"))


def section(page: str, heading: str) -> str:
    return page.split(f"### {heading}\n")[1].partition("\n## ")[0].partition("\n### ")[0]


def test_the_head_counts(page: str) -> None:
    assert page.startswith("# Metrics\n")
    assert "4 targets, 3 metrics." in page
    assert page.count("\n## Shop\n") == 1


def test_a_definition(page: str) -> None:
    text = section(page, "Shop.sales.share")
    assert "*Share of sales that were paid* (`paid_share`)" in text
    assert "\n| target | ≥ 95 % |\n" in text
    assert "\n| facts | [sale](facts.md#sale) |\n" in text
    assert "\n| inputs | wait |\n" in text
    assert "Judged only when: enough | sold." in text


def test_a_definition_links_to_its_places_and_back(page: str) -> None:
    assert "Also at: [Shop.calls.other_wait](#shopcallsother_wait)." in section(
        page, "Shop.calls.wait"
    )
    text = section(page, "Shop.calls.other_wait")
    assert "[wait](#shopcallswait) at this place." in text
    assert "\n| target | &lt; 1 s (“&lt; 1s”) |\n| at | integration square |\n" in text
    assert "\n> as &lt;asked>\n" in text
    assert "definition" not in text


def test_a_scale(page: str) -> None:
    assert "Scale, best first: fine > poor." in section(page, "Shop.calls.state")


def test_a_gate(page: str) -> None:
    text = section(page, "month")
    assert "\n| all of | Shop.calls, Shop.sales |\n| except | Shop.calls.state |\n" in text
    assert "\n| met on | 30 days in a row |\n| a missing day | breaks |\n" in text
    assert "> for a month" in text


def test_a_catalogue_without_gates(load: Load) -> None:
    assert "## Gates" not in markdown(load(BASE[: BASE.index("gates:")]))


@pytest.mark.parametrize(
    ("target", "text"),
    [
        (Target(cmp="<", value=500, unit="ms"), "< 500 ms"),
        (Target(cmp=">=", value=50000, unit="users", period="90 days"), "≥ 50,000 users, 90 days"),
        (Target(cmp="within", value=[1, 2.5], unit="%"), "within 1 to 2.5 %"),
        (Target(cmp="==", value=True, unit="boolean"), "= true"),
        (Target(cmp="at_least", value="fine", unit="state"), "at least fine"),
        (
            Target(cmp=">=", value=25, unit="%", baseline="year_earlier"),
            "≥ 25 %, against year earlier",
        ),
    ],
)
def test_a_target_in_words(target: Target, text: str) -> None:
    assert target_text(target) == text


def test_an_anchor_is_that_of_the_heading() -> None:
    assert anchor("Shop.calls.other_wait") == "shopcallsother_wait"
