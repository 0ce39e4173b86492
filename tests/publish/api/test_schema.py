"""The API does what its document says, for every role: requests made from the schema by
schemathesis find no server error and no answer that the document does not know. They name one of
each thing that there is, so that good answers are held to it too.

``./run proof api`` asks more, on a measured network (docs/proofs/api.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from meterstone.people.rights import Role
from schemas import bearer_of, fitting, judged, named
from things import fill
from whole import House, whole_house

EXAMPLES = 4
NOT_HERE = {
    "POST /connections": "nothing outside is called: no vendor takes the credentials",
    "GET /reports/{report}/files/{name}": "no worker is there to make a file",
    **{
        f"GET /franchises/{{franchise}}/{what}": "the small catalogue measures no shop"
        for what in ("findings/{study}/{key}", "metrics", "metrics/{metric}", "revisions",
                     "scorecard")
    },
}  # fmt: skip
"""Operations without a good answer in this house."""


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with whole_house(tmp_path) as served:  # of its own: things are changed and removed
        yield served


@pytest.mark.parametrize("role", list(Role))
def test_the_document_is_kept_to(house: House, role: Role) -> None:
    known = named(house, fill(house.home, "plain"))
    house.home.watch.look()
    told = judged(house, bearer_of(house, role), EXAMPLES, known=known, bodies=fitting())
    assert not told.failures
    assert told.statuses.total() > 100
    assert 401 not in told.statuses, "somebody is signed in"
    least = {200: 2, 403: 100} if role is Role.OWNER else {200: 40}
    assert all(told.statuses[status] >= number for status, number in least.items()), told
    if role is Role.ADMIN:
        assert told.labels - told.reached == set(NOT_HERE)
