"""Publications of a home: on schedule, as jobs of the queue, or when somebody asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from meterstone.connect.hub import Hub
from meterstone.connect.problems import VendorError
from meterstone.connect.push.publish import Published, publish
from meterstone.connect.push.publisher import Publisher
from meterstone.connect.push.table import Table
from meterstone.connect.spec import Push
from meterstone.errors import InputError
from meterstone.ledger import Connection, Job

PUSH = "push"
"""Kind of its jobs: ``{"connection": id}``."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A table that can be published, and since when its numbers are there."""

    table: Table
    due_at: datetime | None = None


class Pushing:
    """Publishes tables over the connections whose connector has a ``push`` section.

    Args:
        hub: the connected systems.
        tables: makes the tables of these names; asked anew for every publication.
    """

    def __init__(self, hub: Hub, tables: Callable[[tuple[str, ...]], list[Ready]]) -> None:
        self._hub, self._tables = hub, tables

    def connections(self) -> list[Connection]:
        """Connections that are published over."""
        return [c for c in self._hub.active() if self._hub.connectors[c.connector].push]

    def push(self, connection: str) -> list[Published]:
        """Publish all tables of a connection now; what failed is given, not raised.

        Raises:
            InputError: nothing is published at this vendor.
        """
        found = self._hub.connection(connection)
        spec = self._spec(found)
        make = self._hub.connectors.quirks(found.connector).get(spec.python)
        publisher: Publisher = make(self._hub.client(found))
        return list(self._published(found, spec, publisher))

    def _published(
        self, connection: Connection, spec: Push, publisher: Publisher
    ) -> Iterator[Published]:
        for ready in self._tables(spec.tables):
            done = publish(
                publisher, ready.table, connector=connection.connector, connection=connection.id,
                interval_s=spec.every.total_seconds(), due_at=ready.due_at,
                now=self._hub.clock.now,
            )  # fmt: skip
            for row in done.facts:
                of_fact = {name: value for name, value in row.items() if name != "fact"}
                self._hub.telemetry.add(
                    row["fact"], {**of_fact, "environment": connection.environment}
                )
            yield done

    def handle(self, job: Job) -> None:
        """Do a job of kind `PUSH`, and queue the next one by the schedule.

        Raises:
            VendorError, PushError, AuthError: of the first table that failed; the worker decides.
        """
        connection = job.payload["connection"]
        done = self.push(connection)
        failed = next((each.error for each in done if each.error), None)
        if not (isinstance(failed, VendorError) and failed.transient):
            self._queue(connection, after=self._spec(self._hub.connection(connection)).every)
        if failed is not None:
            raise failed

    def ensure(self) -> int:
        """Queue a publication for every connection that has none waiting; how many there are."""
        found = self.connections()
        for connection in found:
            self._queue(connection.id, after=timedelta(0))
        return len(found)

    def _queue(self, connection: str, *, after: timedelta) -> None:
        with self._hub.ledger.change("schedule") as change:
            change.queue.put(
                PUSH, {"connection": connection}, dedupe=f"push:{connection}",
                priority="backfill", at=self._hub.clock.now() + after,
            )  # fmt: skip

    def _spec(self, connection: Connection) -> Push:
        connector = self._hub.connectors[connection.connector]
        if connector.push is None:
            raise InputError(
                f"nothing is published at {connector.name}",
                place=connection.id,
                mend="connect tableau or powerbi",
            )
        return connector.push
