"""The first run of a stream by Bulk API 2.0: one job, whose result is CSV in pages.

A query in pages costs a call for every 2,000 records of a daily allowance; a job costs a handful.
Source: developer.salesforce.com, Bulk API 2.0, query jobs.
"""

from __future__ import annotations

import time
from typing import Any

from meterstone.connect.problems import VendorError
from meterstone.connect.spec import Request
from meterstone.connect.walk import Page, Walk, WalkState, moments

JOBS = "/services/data/v67.0/jobs/query"
PAGE = 50_000
"""Records of a page, at most."""

_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _PATIENCE_S = 0.2, 20.0, 3600.0


class Bulk2Walk(Walk):
    """A walk over the result of a query job; the same query that the stream asks in pages.

    The state has the job and the locator of the page, so that a run that was cut off goes on in
    the same job as long as Salesforce keeps it (seven days).
    """

    def _page(self, state: WalkState) -> Page:
        self._refuse_repeated(state)
        place = dict(state["page"])
        if "job" not in place:
            place["job"] = self._started()
        answer = self._result(place)
        records = list(self._mapping.records(answer.body, {}))
        locator = answer.headers.get("sforce-locator", "null")
        if locator in ("", "null"):
            return Page(answer, records, None)
        return Page(answer, records, {**state, "page": {**place, "locator": locator}})

    def _started(self) -> str:
        """The id of a new job that is complete."""
        request = self._stream.request
        soql = str(request.query["q"]) if request else ""
        made = self._asked(
            Request(
                method="POST", path=JOBS,
                body={"operation": "queryAll", "query": soql.partition(" ORDER BY ")[0]},
            )
        )  # fmt: skip
        job = str(made["id"])
        self._wait(job)
        return job

    def _wait(self, job: str) -> None:
        pause, waited = _FIRST_PAUSE_S, 0.0
        while True:
            told = self._asked(Request(path=f"{JOBS}/{job}"))
            state = told.get("state")
            if state == "JobComplete":
                return
            if state in ("Failed", "Aborted") or waited > _PATIENCE_S:
                raise VendorError(
                    f"Salesforce's job {job} is {state}: {told.get('errorMessage') or 'no reason'}",
                    kind="server", place=f"{self._client.connection.id} {self._key}",
                    mend="it is tried again with a new job",
                )  # fmt: skip
            time.sleep(pause)
            waited, pause = waited + pause, min(pause * 2, _LONGEST_PAUSE_S)

    def _result(self, place: dict[str, Any]) -> Any:
        query = {"maxRecords": PAGE}
        if "locator" in place:
            query["locator"] = place["locator"]
        request = Request(
            path=f"{JOBS}/{place['job']}/results", query=query, headers={"Accept": "text/csv"}
        )
        try:
            return self._client.send(
                self._client.call(request), priority=self._priority,
                group=self._stream.endpoint_group,
            )  # fmt: skip
        except VendorError as error:
            if error.kind != "not_found":
                raise
            raise VendorError(
                "Salesforce does not keep the result of this job any more",
                kind="cursor_expired", place=error.place, status=error.status,
            ) from error  # fmt: skip

    def _asked(self, request: Request) -> dict[str, Any]:
        values = moments(self._stream.cursor, self._since, self._until)
        answer = self._client.send(
            self._client.call(request, values), priority=self._priority,
            group=self._stream.endpoint_group,
        )  # fmt: skip
        return dict(answer.content)
