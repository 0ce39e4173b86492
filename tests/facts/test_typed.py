"""What a person typed becomes what a column holds, or stays text that is refused by name."""

from __future__ import annotations

import pytest

from meterstone.facts import vocabulary
from meterstone.facts.typed import typed


@pytest.mark.parametrize(
    ("fact", "column", "text", "value"),
    [
        ("recognition", "independent", "true", True),
        ("recognition", "independent", "false", False),
        ("recognition", "independent", "perhaps", "perhaps"),
        ("recognition", "rank", "3", 3),
        ("recognition", "rank", "third", "third"),
        ("work_sample", "minutes", "2.5", 2.5),
        ("work_sample", "period_start", "2026-03-01T10:00", "2026-03-01T10:00Z"),
        ("work_sample", "period_start", "2026-03-01T10:00:00+02:00", "2026-03-01T10:00:00+02:00"),
        ("recognition", "title", "7", "7"),
        ("recognition", "no_such", "7", "7"),
        ("no_such", "title", "7", "7"),
    ],
)
def test_a_text_becomes_what_its_column_holds(
    fact: str, column: str, text: str, value: object
) -> None:
    found = typed(vocabulary().get(fact), {column: text})[column]
    assert (found, type(found)) == (value, type(value))
