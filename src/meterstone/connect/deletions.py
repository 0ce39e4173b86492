"""What a vendor deleted: told by a request that lists it, or by what a full pull lacks.

Pages shift while they are read, so a record that a pull lacks is not believed to be gone at once:
it is asked for itself, or, where the vendor has no such call or too many are missing, everything is
read once more. An empty answer where records were known is a fault of the vendor.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from meterstone.connect.client import Client
from meterstone.connect.known import Known
from meterstone.connect.mapping import StreamMapping
from meterstone.connect.paths import at_path
from meterstone.connect.problems import VendorError
from meterstone.connect.pulls import Pull
from meterstone.connect.spec import One
from meterstone.connect.values import word
from meterstone.connect.walk import Walk, moments
from meterstone.ledger import Priority

ASKED_AT_MOST = 500
"""So many missing records are asked for one by one."""


class Deletions:
    """Finds and withdraws deleted records of one stream.

    Args:
        client: calls the vendor.
        key, mapping: the stream.
        known: its rows in the warehouse.
        priority: of the calls.

    Attributes:
        doubt: why nothing was withdrawn although records are missing; empty: no doubt.
    """

    def __init__(
        self, client: Client, key: str, mapping: StreamMapping, known: Known, priority: Priority
    ) -> None:
        self._client = client
        self._key = key
        self._mapping = mapping
        self._stream = mapping.stream
        self._known = known
        self._priority = priority
        self.doubt = ""

    def listed(self, since: datetime, now: datetime) -> int:
        """Withdraw what the vendor lists as deleted since a moment; how many rows."""
        deletes = self._stream.deletes
        if deletes.kind != "changes" or deletes.request is None:
            return 0
        if self._stream.cursor:  # the vendor's clock and ours differ, and its times are coarse
            since -= self._stream.cursor.look_back
        since = max(since, now - deletes.most_back) if deletes.most_back else since
        values = moments(self._stream.cursor, since, now)
        call = self._client.call(deletes.request, values)
        answer = self._client.send(call, priority=self._priority)
        found = at_path(answer.content, deletes.records) or []
        return self._known.retract(self._refs_in(found), "deleted at the vendor")

    def _refs_in(self, found: Any) -> list[str]:
        holds = self._mapping.is_deleted
        refs = (
            word(at_path(record, self._stream.deletes.key or self._stream.key))
            for record in (found if isinstance(found, list) else [found])
            if holds is None or holds(record, record, {})
        )
        return [ref for ref in refs if ref is not None]

    def missing_in(
        self, pull: Pull, began: datetime, *, until: datetime, sites: tuple[str, ...]
    ) -> int:
        """Withdraw what a full pull lacks, of what was known when it began; how many rows.

        Args:
            pull: the ids that it saw.
            began: when.
            until, sites: of a walk that reads everything once more.
        """
        known = self._known.refs(began)
        if known and pull.count() == 0:
            self.doubt = (
                f"an empty answer where {len(known):,} records were known: none is taken as deleted"
            )
            return 0
        missing = pull.missing(known)
        if missing and (self._stream.one is None or len(missing) > ASKED_AT_MOST):
            walk = Walk(
                self._client, self._key, self._mapping, since=None, until=until, sites=sites,
                priority=self._priority,
            )  # fmt: skip
            missing = self._still_missing(missing, walk)
        if self._stream.one is not None and len(missing) <= ASKED_AT_MOST:
            one = self._stream.one
            missing = [ref for ref in missing if self._is_gone(ref, one)]
        return self._known.retract(missing, "no longer in a full pull")

    def _still_missing(self, missing: list[str], walk: Walk) -> list[str]:
        left = set(missing)
        for page in walk.pages():
            left.difference_update(ref for ref in map(self._mapping.ref_of, page.records) if ref)
        return sorted(left)

    def _is_gone(self, ref: str, one: One) -> bool:
        try:
            call = self._client.call(one.request, {"id": ref})
            self._client.send(call, priority=self._priority)
        except VendorError as error:
            if error.kind == "not_found":
                return True
            raise
        return False
