"""Bulk API 2.0: query jobs, whose results are CSV in pages."""

from __future__ import annotations

import csv
import io
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from meterstone.sandbox.kit import Clock, Record, Selection
from meterstone.sandbox.kit.query import value_at
from meterstone.sandbox.salesforce import soql
from meterstone.sandbox.salesforce.answers import ApiError, answer, not_found
from meterstone.sandbox.salesforce.org import Org
from meterstone.sandbox.salesforce.records import moment_text
from meterstone.sandbox.salesforce.schema import DATED

_DELIMITERS = {
    "COMMA": ",", "TAB": "\t", "PIPE": "|", "SEMICOLON": ";", "CARET": "^", "BACKQUOTE": "`",
}  # fmt: skip
_ENDINGS = {"LF": "\n", "CRLF": "\r\n"}
_USUAL_PAGE = 50_000
_ENDED = ("JobComplete", "Aborted", "Failed")


@dataclass(slots=True)
class Job:
    """One query job. It is under way until somebody asked for it once."""

    id: str
    operation: str
    query: soql.Query
    found: Selection
    delimiter: str
    ending: str
    state: str
    created: str
    asked: int = 0

    def told(self, version: str, user: str) -> dict[str, Any]:
        """The job as the API tells it."""
        done = {"numberRecordsProcessed": len(self.found), "retries": 0, "totalProcessingTime": 12}
        return {
            "id": self.id, "operation": self.operation, "object": self.query.sobject.name,
            "createdById": user, "createdDate": self.created, "systemModstamp": self.created,
            "state": self.state, "concurrencyMode": "Parallel", "contentType": "CSV",
            "apiVersion": float(version), "jobType": "V2Query", "lineEnding": self.ending,
            "columnDelimiter": self.delimiter,
            **(done if self.state == "JobComplete" else {}),
        }  # fmt: skip


class Bulk:
    """The query jobs of the org."""

    def __init__(self, org: Org, clock: Clock) -> None:
        self._org, self._clock = org, clock
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()

    def create(self, given: Mapping[str, Any], version: str) -> Response:
        """POST of a job."""
        operation, delimiter = given.get("operation"), given.get("columnDelimiter", "COMMA")
        ending = given.get("lineEnding", "LF")
        if operation not in ("query", "queryAll"):
            raise ApiError("INVALIDJOB", "operation must be query or queryAll")
        if delimiter not in _DELIMITERS or ending not in _ENDINGS:
            raise ApiError("INVALIDJOB", "unknown columnDelimiter or lineEnding")
        query = soql.read(str(given.get("query", "")), bulk=True)
        found = soql.matching(self._org, query, deleted=operation == "queryAll")
        job = Job(
            self._org.new_id("750"), operation, query, found, delimiter, ending,
            "UploadComplete", moment_text(self._clock.now()),
        )  # fmt: skip
        with self._lock:
            self._jobs[job.id] = job
        return answer(job.told(version, self._org.user))

    def every(self, version: str) -> Response:
        """GET of all jobs."""
        with self._lock:
            told = [job.told(version, self._org.user) for job in self._jobs.values()]
        return answer({"done": True, "records": told, "nextRecordsUrl": None})

    def read(self, id_: str, version: str) -> Response:
        """GET of a job: under way, then complete."""
        job = self._job(id_)
        with self._lock:
            job.asked += 1
            if job.state not in _ENDED:
                job.state = "InProgress" if job.asked == 1 else "JobComplete"
        return answer(job.told(version, self._org.user))

    def abort(self, id_: str, given: Mapping[str, Any], version: str) -> Response:
        """PATCH of a job, by which it can only be aborted."""
        job = self._job(id_)
        if given.get("state") != "Aborted" or job.state in _ENDED:
            raise ApiError("INVALIDJOBSTATE", "the job cannot be changed to this state")
        job.state = "Aborted"
        return answer(job.told(version, self._org.user))

    def delete(self, id_: str) -> Response:
        """DELETE of a job that has ended."""
        if self._job(id_).state not in _ENDED:
            raise ApiError("INVALIDJOBSTATE", "the job has not ended")
        with self._lock:
            del self._jobs[id_]
        return Response(status_code=204)

    def results(self, id_: str, params: Mapping[str, str]) -> Response:
        """A page of the results: CSV, the next locator in a header (``null`` at the end)."""
        job = self._job(id_)
        if job.state != "JobComplete":
            raise not_found()
        try:
            start = int(params.get("locator") or 0)
            size = int(params.get("maxRecords") or _USUAL_PAGE)
        except ValueError as problem:
            raise ApiError("INVALID_LOCATOR", "the locator is not valid") from problem
        if start < 0 or size < 1 or start > len(job.found):
            raise ApiError("INVALID_LOCATOR", "the locator is not valid")
        records = job.found.page(start, size)
        end = start + len(records)
        headers = {
            "Sforce-Locator": str(end) if end < len(job.found) else "null",
            "Sforce-NumberOfRecords": str(len(records)),
        }
        return Response(self._csv(job, records), media_type="text/csv", headers=headers)

    def _csv(self, job: Job, records: list[Record]) -> str:
        text = io.StringIO()
        writer = csv.writer(
            text, delimiter=_DELIMITERS[job.delimiter], lineterminator=_ENDINGS[job.ending],
            quoting=csv.QUOTE_ALL,
        )  # fmt: skip
        writer.writerow(job.query.fields)
        for record in records:
            whole = soql.with_parents(self._org, record, job.query)
            writer.writerow([self._cell(job, whole, name) for name in job.query.fields])
        return text.getvalue()

    def _cell(self, job: Job, record: Mapping[str, Any], name: str) -> str:
        value = value_at(record, name)
        if isinstance(value, bool):
            return "true" if value else "false"
        if value is None:
            return ""
        field = job.query.sobject.field(name)
        dated = field is not None and field.type in DATED
        return str(value).replace("+0000", "Z") if dated else str(value)

    def _job(self, id_: str) -> Job:
        with self._lock:
            if id_ not in self._jobs:
                raise not_found()
            return self._jobs[id_]


async def json_of(request: Request) -> dict[str, Any]:
    """The object in a body.

    Raises:
        ApiError: there is none.
    """
    try:
        given = json.loads(await request.body())
    except ValueError as problem:
        raise ApiError("JSON_PARSER_ERROR", "the body is no JSON") from problem
    if not isinstance(given, dict):
        raise ApiError("JSON_PARSER_ERROR", "an object is expected")
    return given
