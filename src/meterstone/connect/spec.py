"""The typed form of ``connector.yaml``: what docs/connect.md describes, and nothing else.

Texts with ``{name}`` are templates (`meterstone.connect.fill`); texts called paths are read by
`meterstone.connect.paths`. The sections of columns, paging and webhooks have modules of their own.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from meterstone.connect.auth.spec import AuthSpec
from meterstone.connect.spec_facts import Condition, FactMap
from meterstone.connect.spec_paging import NoPaging, Paging
from meterstone.connect.spec_parts import Duration, Path, Python, Strict
from meterstone.connect.spec_webhooks import WebhookSpec

ErrorKind = Literal[
    "authentication",
    "permission",
    "rate_limit",
    "validation",
    "not_found",
    "conflict",
    "server",
    "timeout",
    "connection",
    "cursor_expired",
    "other",
]
"""What an error of a vendor means for us; it decides what is retried and who is at fault."""

EndpointGroup = Literal[
    "franchise_management", "pos_integration", "analytics", "auth", "webhook", "other"
]
Status = Literal["public", "gated", "no_api"]


class Setting(Strict):
    """What a person gives beside credentials; ``{name}`` may stand in any URL, path or query.

    ``from: account`` takes what the sign-in told under that name.
    """

    title: str = ""
    from_: str = Field(default="", alias="from")
    default: str = ""
    required: bool = True


class Request(Strict):
    """One call in full; every text is a template. At most one of ``form`` and ``body``."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    path: str
    query: dict[str, Any] = Field(default_factory=dict)
    headers: dict[str, str] = Field(default_factory=dict)
    form: dict[str, Any] = Field(default_factory=dict)
    body: Any = None

    @model_validator(mode="after")
    def _one_body(self) -> Request:
        if self.form and self.body is not None:
            raise ValueError("a request has a form or a body, not both")
        return self


class Records(Strict):
    """Where the records of an answer are.

    Attributes:
        path: to the list (or the one record); empty: the whole answer.
        loose: an object is one record; text and null are none.
        format: of the answer.
        python: a function of ``quirks.py``: ``(body, context) -> Iterator[dict | Reject]``.
    """

    path: Path = ""
    loose: bool = False
    format: Literal["json", "csv"] = "json"
    python: str = ""


class Limit(Strict):
    """A limit as the vendor publishes it. ``scope: app`` is shared by all connections."""

    requests: float | None = Field(default=None, gt=0)
    per_s: float = Field(default=1.0, gt=0)
    concurrent: int | None = Field(default=None, gt=0)
    scope: Literal["connection", "app"] = "connection"
    evidence: str = ""

    @model_validator(mode="after")
    def _says_something(self) -> Limit:
        if (self.requests is None) == (self.concurrent is None):
            raise ValueError("a limit says `requests` (with `per_s`) or `concurrent`")
        return self


class Throttled(Strict):
    """How the vendor says that it is enough.

    Attributes:
        status: of such an answer.
        retry_after: header with seconds or a date until the next try; ``header`` is Retry-After.
        remaining, limit, reset: headers that tell what is left; ``reset_as`` how reset is written.
        use: header with ``used/allowed`` within a text (Salesforce), as a regular expression with
            the groups ``used`` and ``allowed``.
    """

    status: tuple[int, ...] = (429,)
    retry_after: str = "header"
    remaining: str = ""
    limit: str = ""
    reset: str = ""
    reset_as: Literal["seconds", "epoch_s", "epoch_ms"] = "seconds"
    use: str = ""


class ErrorRule(Strict):
    """When an answer is which kind of error; the first rule that fits counts."""

    status: int | tuple[int, ...] | None = None
    where: Condition | None = None
    kind: ErrorKind

    @property
    def statuses(self) -> tuple[int, ...]:
        """Status codes that fit; empty: any."""
        if self.status is None:
            return ()
        return (self.status,) if isinstance(self.status, int) else self.status


class CursorSpec(Strict):
    """How a stream asks for what changed.

    Attributes:
        kind: ``time``: records have a time of change. ``token``: the answer gives the next cursor.
        field: path of the time within a record (or of the token within the answer).
        since, until: where they go: ``query.updated_from``, ``form.x``, ``body.a.b``; empty where
            the request has ``{since}`` in a text.
        format: how a moment is written: ``instant``, ``epoch_ms``, ``epoch_s``, or strftime.
        template: a text around it, with ``{since}``.
        look_back: asked again each time, for changes that the vendor shows late.
        history: how far the first run goes back; None: everything.
        look_ahead: how far beyond now a run asks (for bookings that lie ahead).
    """

    kind: Literal["time", "token"] = "time"
    field: Path
    since: str = ""
    until: str = ""
    format: str = "instant"
    template: str = ""
    look_back: Duration = timedelta(minutes=5)
    history: Duration | None = None
    look_ahead: Duration = timedelta(0)


class Deletes(Strict):
    """How deleted records are found.

    Attributes:
        kind: ``full_pull``: what a complete pull lacks is gone; ``flag``: ``when`` says so of a
            record; ``changes``: ``request`` lists what was deleted; ``none``: the vendor deletes
            nothing.
        every: of the full pull or of the request.
        key: path of the id in what ``request`` lists; empty: as in the stream.
        most_back: how far back the vendor can be asked.
    """

    kind: Literal["full_pull", "flag", "changes", "none"] = "none"
    when: Condition | None = None
    request: Request | None = None
    records: Path = ""
    key: Path = ""
    every: Duration = timedelta(days=1)
    most_back: Duration | None = None

    @model_validator(mode="after")
    def _complete(self) -> Deletes:
        if self.kind == "flag" and self.when is None:
            raise ValueError("kind flag needs `when`")
        if self.kind == "changes" and self.request is None:
            raise ValueError("kind changes needs `request`")
        return self


class One(Strict):
    """How one record is fetched by its id (``{id}``), after a webhook that only names it."""

    request: Request
    records: Path = ""


class Stream(Strict):
    """Records of one kind.

    Attributes:
        key: path of the vendor's id; it becomes ``source_ref``.
        site: path of the vendor's site (location, department …) that a record belongs to.
        changed_at: path of the time of change, for the lag; empty: the cursor's field.
        every: schedule of the safety net.
        for_each: ``site``: one walk a site, which is ``{site}`` in the request; with ``at_once``
            several, which are ``{sites}``.
        endpoint: as facts name it; empty: method and path.
    """

    request: Request | None = None
    records: Path | Records = ""
    paging: Paging = Field(default_factory=NoPaging)
    cursor: CursorSpec | None = None
    key: Path = "id"
    site: Path = ""
    changed_at: Path = ""
    every: Duration = timedelta(minutes=5)
    for_each: Literal["site"] | None = None
    at_once: int = Field(default=1, gt=0)
    deletes: Deletes = Field(default_factory=Deletes)
    one: One | None = None
    backfill: Python | None = None
    endpoint_group: EndpointGroup | None = None
    facts: tuple[FactMap, ...] = ()

    @property
    def answer(self) -> Records:
        """Where the records are, in the long form."""
        return Records(path=self.records) if isinstance(self.records, str) else self.records

    @property
    def changed_path(self) -> str:
        """Path of the time of change; empty where a record has none."""
        of_cursor = self.cursor.field if self.cursor and self.cursor.kind == "time" else ""
        return self.changed_at or of_cursor


class Sites(Strict):
    """Where the vendor's sites come from: a stream, the path of their id, and of the name by which
    a franchise is recognised (a person can say otherwise)."""

    stream: str
    id: Path = "id"
    franchise: Path = "name"


class Health(Strict):
    """A cheap call that tells whether the vendor works."""

    request: Request
    every: Duration = timedelta(minutes=1)


class Push(Strict):
    """What is published at the vendor: a class of ``push.py``, and how often."""

    python: str
    every: Duration = timedelta(hours=1)
    tables: tuple[str, ...] = ()


class Capability(Strict):
    """What the vendor allows, with the page that says so."""

    value: Any
    evidence: str = ""
    note: str = ""


class Connector(Strict):
    """One validated ``connector.yaml``."""

    connector: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    name: str
    category: str
    status: Status = "public"
    version: int = Field(default=1, ge=1)
    base_url: str = ""
    settings: dict[str, Setting] = Field(default_factory=dict)
    headers: dict[str, str] = Field(default_factory=dict)
    auth: AuthSpec
    limits: tuple[Limit, ...] = ()
    throttled: Throttled = Throttled()
    errors: tuple[ErrorRule, ...] = ()
    error_text: Path = ""
    most_bytes: int = Field(default=64_000_000, gt=0)
    timeout_s: float = Field(default=30.0, gt=0)
    endpoint_group: EndpointGroup = "pos_integration"
    streams: dict[str, Stream] = Field(default_factory=dict)
    sites: Sites | None = None
    webhooks: WebhookSpec | None = None
    health: Health | None = None
    push: Push | None = None
    capabilities: dict[str, Capability] = Field(default_factory=dict)

    @field_validator("base_url")
    @classmethod
    def _https(cls, url: str) -> str:
        if url and not url.startswith(("https://", "{")):
            raise ValueError("base_url must be https, or a template")
        return url

    @model_validator(mode="after")
    def _parts_agree(self) -> Connector:
        if self.sites and self.sites.stream not in self.streams:
            raise ValueError(f"sites: there is no stream {self.sites.stream!r}")
        for name, stream in self.streams.items():
            if stream.request is None and self.status != "no_api":
                raise ValueError(f"stream {name} needs `request` (only status no_api has none)")
        if self.webhooks:
            for event, target in self.webhooks.events.items():
                if target.stream not in self.streams:
                    raise ValueError(f"event {event}: there is no stream {target.stream!r}")
                if target.fetch and self.streams[target.stream].one is None:
                    raise ValueError(f"event {event}: stream {target.stream} needs `one`")
        return self
