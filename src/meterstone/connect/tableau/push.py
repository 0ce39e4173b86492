"""Publishes a table as a data source of a Tableau site, and follows the job.

https://help.tableau.com/current/api/rest_api/en-us/REST/rest_api_ref_data_sources.htm
"""

from __future__ import annotations

from dataclasses import replace
from secrets import token_hex
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from meterstone.connect.paths import at_path
from meterstone.connect.push.publisher import Caller, Patience, Pushed, PushError
from meterstone.connect.push.table import Table
from meterstone.connect.spec import Request
from meterstone.connect.tableau.tdsx import tdsx

AT_ONCE = 64_000_000
"""A larger file goes by file upload, in parts."""
CHUNK = 50_000_000
_SITE = "/api/{api_version}/sites/{site_id}"
_JSON = {"Accept": "application/json"}

Parts = list[tuple[str, str, bytes]]


class Publisher:
    """Publishes over one connection.

    Args:
        caller: the connection's client.
        patience: how long a job is waited for.
        at_once, chunk: sizes of uploads, bytes.
    """

    def __init__(
        self,
        caller: Caller,
        patience: Patience | None = None,
        *,
        at_once: int = AT_ONCE,
        chunk: int = CHUNK,
    ) -> None:
        self._caller, self._patience = caller, patience or Patience()
        self._at_once, self._chunk = at_once, chunk

    def publish(self, table: Table) -> Pushed:
        """Publish, replacing the data source of the name.

        Raises:
            PushError: no such project, or Tableau cannot use the file.
            VendorError: a call failed.
        """
        file = tdsx(table)
        parts: Parts = [("request_payload", "", _request(table.name, self._project()))]
        query = {"datasourceType": "tdsx", "overwrite": "true", "asJob": "true"}
        if len(file) > self._at_once:
            query["uploadSessionId"] = self._upload(file)
        else:
            parts.append(("tableau_datasource", "table.tdsx", file))
        # to publish again what was published gives the same, so it may be repeated
        told = self._send_parts("POST", f"{_SITE}/datasources", parts, query)
        job = str(at_path(told, "job.id") or "")
        if not job:
            raise PushError("Tableau's answer names no job", place=table.name)
        ended = self._follow(job, table.name)
        made = at_path(ended, "job.extractRefreshJob.datasource.id")
        return Pushed(str(made or ""), job, len(table.rows))

    def _project(self) -> str:
        name = self._caller.values["project"]
        query = {"filter": f"name:eq:{name}"}
        told = self._json(Request(path=f"{_SITE}/projects", query=query, headers=_JSON))
        id_ = at_path(told, "projects.project[0].id")
        if not id_:
            raise PushError(
                f"the site has no project {name!r}",
                place="Tableau",
                mend="make it there, or name another one in the settings of the connection",
            )
        return str(id_)

    def _upload(self, file: bytes) -> str:
        told = self._json(Request(method="POST", path=f"{_SITE}/fileUploads", headers=_JSON))
        session = str(at_path(told, "fileUpload.uploadSessionId") or "")
        if not session:
            raise PushError("Tableau's answer names no upload", place="Tableau")
        for start in range(0, len(file), self._chunk):
            part = file[start : start + self._chunk]
            parts: Parts = [("request_payload", "", b""), ("tableau_file", "part", part)]
            # a part that was taken twice would spoil the file
            self._send_parts(
                "PUT", f"{_SITE}/fileUploads/{{session}}", parts, {}, repeatable=False,
                session=session,
            )  # fmt: skip
        return session

    def _follow(self, job: str, what: str) -> Any:
        told: Any = None

        def look() -> str:
            nonlocal told
            told = self._json(Request(path=f"{_SITE}/jobs/{{job}}", headers=_JSON), job=job)
            # finishCode says nothing before the job has ended
            return "ended" if at_path(told, "job.completedAt") else "running"

        self._patience.wait(look, f"Tableau's job for {what}")
        if str(at_path(told, "job.finishCode")) not in ("0", "3"):
            notes = at_path(told, "job.extractRefreshJob.notes") or "no reason is given"
            raise PushError(
                f"Tableau could not use the data source: {notes}",
                place=f"job {job}",
                mend="look at the job in Tableau (Jobs), then publish again",
            )
        return told

    def _json(self, request: Request, **values: str) -> Any:
        return self._caller.send(self._caller.call(request, values)).content

    def _send_parts(
        self,
        method: str,
        path: str,
        parts: Parts,
        query: dict[str, str],
        *,
        repeatable: bool = True,
        **values: str,
    ) -> Any:
        boundary = token_hex(16)
        headers = {**_JSON, "Content-Type": f"multipart/mixed; boundary={boundary}"}
        asked = Request.model_validate(
            {"method": method, "path": path, "query": query, "headers": headers}
        )
        call = replace(self._caller.call(asked, values), body=_multipart(boundary, parts))
        return self._caller.send(call, repeatable=repeatable).content


def _request(name: str, project: str) -> bytes:
    root = Element("tsRequest")
    datasource = SubElement(root, "datasource", {"name": name})
    SubElement(datasource, "project", {"id": project})
    return tostring(root)


def _multipart(boundary: str, parts: Parts) -> bytes:
    """A ``multipart/mixed`` body (RFC 2046), as Tableau wants it."""
    made = []
    for name, filename, content in parts:
        file = f'; filename="{filename}"' if filename else ""
        kind = "application/octet-stream" if filename else "text/xml"
        head = f'Content-Disposition: name="{name}"{file}\r\nContent-Type: {kind}\r\n\r\n'
        made.append(f"--{boundary}\r\n{head}".encode() + content + b"\r\n")
    return b"".join([*made, f"--{boundary}--\r\n".encode()])
