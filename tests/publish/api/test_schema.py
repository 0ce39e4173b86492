"""The API does what its document says, for every role: requests made from the schema by
schemathesis find no server error and no answer that the document does not know.

``./run proof api`` asks more, on a measured network (docs/proofs/api.md).
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from meterstone.people.rights import Role
from schemas import bearer_of, judged
from whole import House, whole_house

EXAMPLES = 4


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with whole_house(tmp_path_factory.mktemp("schema")) as served:
        served.home.evaluator.run_once()
        yield served


@pytest.mark.parametrize("role", list(Role))
def test_the_document_is_kept_to(house: House, role: Role) -> None:
    told = judged(house, bearer_of(house, role), EXAMPLES)
    assert not told.failures
    assert told.statuses.total() > 100
    assert 401 not in told.statuses, "somebody is signed in"
    least = {200: 2, 403: 100} if role is Role.OWNER else {200: 40}
    assert all(told.statuses[status] >= number for status, number in least.items()), told
