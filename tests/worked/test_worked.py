"""Each worked example gives what its words say."""

from __future__ import annotations

from pathlib import Path

import pytest

from meterstone.measure.service import Measuring

from . import Example, differences, examples, home_of


@pytest.fixture(params=examples().values(), ids=examples())
def example(request: pytest.FixtureRequest) -> Example:
    found: Example = request.param
    return found


def test_an_example_gives_what_its_words_say(example: Example, tmp_path: Path) -> None:
    with home_of(example, tmp_path) as home:
        results = Measuring(home.subject, example.at, None).of(frozenset(example.expect))
        found = [t for metric in example.expect for t in differences(example, metric, results)]
    assert found == []
