"""One Tableau site: projects, data sources, workbooks, views, uploads, and jobs that take time."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from meterstone.sandbox.kit import CHANGED, Clock, Entity, Key, Record, micros
from meterstone.sandbox.kit.xml import NotXml, parse_xml
from meterstone.sandbox.tableau.wire import TableauError, stamp

JOB_TAKES = timedelta(milliseconds=200)
"""How long a job of the stand-in takes."""
FILE_TYPES = ("tds", "tdsx", "hyper")
LARGEST_AT_ONCE = 64 * 1024 * 1024
"""A larger file has to come by file upload."""


@dataclass(slots=True)
class Job:
    """An asynchronous job.

    Attributes:
        failure: why it fails; empty: it succeeds.
    """

    id: str
    type: str
    created: datetime
    datasource: Record
    failure: str = ""

    def content(self, now: datetime) -> dict[str, Any]:
        """As Tableau shows it at a moment. While it runs it has no finishCode that counts."""
        ended = self.created + JOB_TAKES
        done = now >= ended
        shown: dict[str, Any] = {
            "id": self.id, "mode": "Asynchronous", "type": self.type,
            "progress": "100" if done else "0", "createdAt": stamp(self.created),
            "startedAt": stamp(self.created),
        }  # fmt: skip
        about = {k: self.datasource[k] for k in ("id", "name") if k in self.datasource}
        notes = {"notes": self.failure} if self.failure and done else {}
        if done:
            shown |= {"completedAt": stamp(ended), "finishCode": "1" if self.failure else "0"}
        return {**shown, "extractRefreshJob": {"datasource": about, **notes}}


@dataclass
class Site:
    """What one site holds. Content of files is kept in memory.

    Attributes:
        tell: told of an event (such as datasource-created) and the record that it is about.
    """

    id: str
    content_url: str
    clock: Clock
    tell: Callable[[str, Record], None] = lambda _event, _record: None
    owner: str = ""
    uploads: dict[str, bytearray] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.owner = self.unique("user", "service")
        self.project = self.unique("project", "default")
        self._uploads_begun = 0
        began = datetime.fromisoformat("2026-01-05T08:00:00+00:00")
        projects = [self._titled("project", name, began) for name in ("default", "Meterstone")]
        workbooks = [self._titled("workbook", f"Simulated workbook {n}", began) for n in (1, 2)]
        views = [
            {**self._titled("view", f"Simulated sheet {n}", began),
             "workbook": {"id": workbooks[n % 2]["id"]}}
            for n in range(1, 6)
        ]  # fmt: skip
        self.entities: Mapping[str, Entity] = {
            "project": self._entity("project", projects),
            "datasource": self._entity("datasource", []),
            "workbook": self._entity("workbook", workbooks),
            "view": self._entity("view", views),
        }

    def unique(self, kind: str, name: object) -> str:
        """A LUID that depends on the site, the kind and the name alone."""
        return str(uuid5(NAMESPACE_URL, f"{self.id}:{kind}:{name}"))

    def _titled(self, kind: str, name: str, at: datetime) -> Record:
        return {
            "id": self.unique(kind, name), "name": name, "contentUrl": name.replace(" ", ""),
            "createdAt": stamp(at), "updatedAt": stamp(at), "owner": {"id": self.owner},
            **({} if kind == "project" else {
                "project": {"id": self.project, "name": "default"}, "tags": {}
            }),
        }  # fmt: skip

    def _entity(self, name: str, rows: list[Record]) -> Entity:
        return Entity(
            name, self.clock, ids=[row["id"] for row in rows],
            keys={CHANGED: Key([_changed(row) for row in rows], _changed)}, stamp=_touch,
            rows=rows, render=deepcopy,
        )  # fmt: skip

    def begin_upload(self) -> str:
        """The session of a new file upload."""
        self._uploads_begun += 1
        session = f"{self._uploads_begun}:{self.unique('upload', self._uploads_begun)}-1:0"
        self.uploads[session] = bytearray()
        return session

    def publish(
        self, name: str, project: str, kind: str, content: bytes, *, overwrite: bool, append: bool
    ) -> Record:
        """Make or replace a data source.

        Raises:
            TableauError: no such project, the name is taken, or the file is none of its kind.
        """
        found = self.entities["project"].get(project)
        if found is None:
            raise TableauError("404005", "Resource Not Found", f"Project '{project}' not found.")
        check_file(kind, content)
        id_ = self.unique("datasource", f"{project}/{name}")
        known = self.entities["datasource"].get(id_)
        if known and not overwrite and not append:
            raise TableauError(
                "409004", "Resource Conflict", f"A data source named '{name}' exists already."
            )
        made = {
            **(known or self._titled("datasource", name, self.clock.now())),
            "id": id_,
            "type": "textscan" if kind != "hyper" else "dataengine",
            "size": str(max(1, len(content) // 1024)),
            "hasExtracts": "true" if kind == "hyper" else "false",
            "isCertified": "false",
            "project": {"id": found["id"], "name": found["name"]},
        }
        kept = self.entities["datasource"].put(made)
        self.files[id_] = self.files.get(id_, b"") + content if append else content
        self.tell("datasource-updated" if known else "datasource-created", kept)
        return kept

    def start(self, type_: str, datasource: Record, failure: str = "") -> Job:
        """Begin a job."""
        id_ = self.unique("job", len(self.jobs))
        job = Job(id_, type_, self.clock.now(), datasource, failure)
        self.jobs[id_] = job
        return job


def check_file(kind: str, content: bytes) -> None:
    """Whether a file is what its type says.

    Raises:
        TableauError: it is not.
    """
    if kind not in FILE_TYPES:
        raise TableauError("400011", "Bad Request", f"The file type '{kind}' is not supported.")
    try:
        if kind == "tdsx":
            _check_tdsx(content)
        elif kind == "tds":
            _check_tds(content)
        else:
            _check_hyper(content)
    except (NotXml, zipfile.BadZipFile) as error:
        raise TableauError("400011", "Bad Request", f"This is no {kind} file: {error}") from None


def _check_hyper(content: bytes) -> None:
    if not content:
        raise NotXml("the file is empty")


def _check_tdsx(content: bytes) -> None:
    """A zip of one .tds; the files that its connections name lie in it."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
        described = [name for name in names if name.endswith(".tds")]
        if len(described) != 1:
            raise NotXml("a .tdsx holds one .tds")
        root = _check_tds(archive.read(described[0]))
        for connection in root.iter("connection"):
            filename = connection.get("filename")
            path = "/".join(filter(None, [connection.get("directory"), filename]))
            if filename and path not in names:
                raise NotXml(f"'{path}' is missing in the file")


def _check_tds(content: bytes) -> Any:
    root = parse_xml(content)
    if root.tag != "datasource":
        raise NotXml("the root is no datasource")
    return root


def _changed(record: Record) -> int:
    return micros(datetime.fromisoformat(record["updatedAt"]))


def _touch(record: Record, at: datetime) -> None:
    record["updatedAt"] = stamp(at)
    record.setdefault("createdAt", stamp(at))
