"""Where two documents differ."""

import pytest

from meterstone.scorecard.paths import MISSING, differences


@pytest.mark.parametrize(
    ("left", "right", "found"),
    [
        ({"a": 1}, {"a": 1.0}, []),
        ({"a": 1}, {"a": True}, [("$.a", 1, True)]),
        ({"a": [1, 2]}, {"a": (1, 3, 4)}, [("$.a[1]", 2, 3), ("$.a[2]", MISSING, 4)]),
        ({"a": None}, {}, [("$.a", None, MISSING)]),
        ({"a": {"b": 1}}, {"a": [1]}, [("$.a", {"b": 1}, [1])]),
    ],
)
def test_paths(left, right, found):
    assert [(d.path, d.left, d.right) for d in differences(left, right)] == found


def test_a_sentence_names_the_nearest_id_and_shortens_what_is_long():
    left, right = ({"m": [{"id": "uptime", "v": v}]} for v in ("x" * 90, None))
    [difference] = differences(left, right)
    assert difference.sentence("published", "recomputed") == (
        f'$.m[0].v (uptime) is "{"x" * 56}… published and null recomputed'
    )
    [gone] = differences({"a": 1}, {})
    assert gone.sentence("then", "now") == "$.a is 1 then and missing now"
    assert repr(MISSING) == "missing"
