"""The ``webhooks`` section: how a vendor signs what it sends, and which event is which record."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from meterstone.connect.spec_parts import Path, Strict


class Scheme(Strict):
    """How a delivery proves where it comes from.

    Attributes:
        kind: ``hmac_body``, ``hmac_url_body`` (the URL, then the body), ``static_header`` (a shared
            value), ``soap_ack`` (Salesforce: the organisation's id, answered in SOAP),
            ``cloudevents``, ``standard_webhooks``.
        header: that carries the signature.
        prefix: of the signature, such as ``sha256=``.
        of: path of the id by which ``soap_ack`` knows the sender.
    """

    kind: Literal[
        "hmac_body",
        "hmac_url_body",
        "static_header",
        "soap_ack",
        "cloudevents",
        "standard_webhooks",
    ]
    header: str = ""
    hash: Literal["sha1", "sha256", "sha512"] = "sha256"
    encoding: Literal["base64", "hex"] = "base64"
    prefix: str = ""
    of: Path = ""


class EventPaths(Strict):
    """Where a delivery has its id, type, time and account.

    ``each``: path of a list of events, each read by the other paths; ``python``: a function of
    ``quirks.py``, ``(body, context) -> Iterator[dict]``, for deliveries that are not JSON.
    """

    id: Path = ""
    type: Path = ""
    at: Path = ""
    account: Path = ""
    each: Path = ""
    python: str = ""


class EventTarget(Strict):
    """What an event is about: the record itself (path ``record``), or its id (path ``fetch``);
    ``deleted``: the event says that the record is gone."""

    stream: str
    record: Path | None = None
    fetch: Path | None = None
    deleted: bool = False

    @model_validator(mode="after")
    def _one_way(self) -> EventTarget:
        if (self.record is None) == (self.fetch is None):
            raise ValueError("an event has `record` or `fetch`")
        return self


class WebhookSpec(Strict):
    """Inbound webhooks of one vendor. ``events`` by type; ``*`` ends a prefix."""

    scheme: Scheme
    event: EventPaths = EventPaths()
    events: dict[str, EventTarget] = Field(default_factory=dict)
    evidence: str = ""

    def target(self, event: str) -> EventTarget | None:
        """What an event of this type is about; None: nothing that we read."""
        if event in self.events:
            return self.events[event]
        prefixes = (name for name in self.events if name.endswith("*"))
        found = next((name for name in prefixes if event.startswith(name[:-1])), None)
        return self.events[found] if found else None
