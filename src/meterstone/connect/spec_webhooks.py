"""The ``webhooks`` section: how a vendor signs what it sends, and which event is which record."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field, model_validator

from meterstone.connect.spec_parts import Duration, Path, Strict


class Scheme(Strict):
    """How a delivery proves where it comes from.

    Attributes:
        kind: ``hmac_body``; ``hmac_url_body`` (the URL as the vendor was given it, then the body);
            ``static_header`` (a shared value); ``standard_webhooks``; ``soap_ack`` (Salesforce: no
            signature, the organisation's id; answered in SOAP); ``url_secret`` (nothing but the
            secret in the URL, which the others have too).
        header: that carries the signature or value.
        prefix: of the signature, such as ``sha256=``.
        of: name of the element with the organisation's id (``soap_ack``).
        handshake: path of the code in a delivery that only verifies the address; a person then
            shows the code to the vendor.
        within: how old an event may be, by its own time. Ids are remembered for longer, so that
            what is replayed is a double or too old.
        answer_within_s: how long the vendor waits for the answer.
    """

    kind: Literal[
        "hmac_body",
        "hmac_url_body",
        "static_header",
        "standard_webhooks",
        "soap_ack",
        "url_secret",
    ]
    header: str = ""
    hash: Literal["sha1", "sha256", "sha512"] = "sha256"
    encoding: Literal["base64", "hex"] = "base64"
    prefix: str = ""
    of: str = ""
    handshake: Path = ""
    within: Duration = timedelta(days=7)
    answer_within_s: float = Field(default=10.0, gt=0)

    @model_validator(mode="after")
    def _complete(self) -> Scheme:
        if self.kind in ("hmac_body", "hmac_url_body", "static_header") and not self.header:
            raise ValueError(f"kind {self.kind} needs `header`")
        if self.kind == "soap_ack" and not self.of:
            raise ValueError("kind soap_ack needs `of`")
        return self

    @property
    def has_key(self) -> bool:
        """Whether the vendor and we share a key (else only the URL is secret)."""
        return self.kind not in ("soap_ack", "url_secret")


class EventPaths(Strict):
    """Where a delivery has its id, type, time and account.

    ``each``: path of a list of events, each read by the other paths (a body that is a list is one
    without it); ``python``: a function of
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

    def tells_of(self, stream: str) -> bool:
        """Whether any event is about records of this stream."""
        return any(target.stream == stream for target in self.events.values())
