"""Notifications of QuickBooks: what changed, not how; as CloudEvents or in the older form.

Source of the schedule: developer.intuit.com, webhooks, best practices. What is not imitated: that
later events wait until the first one was acknowledged.
"""

from __future__ import annotations

import hmac
import json
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Literal

from meterstone.sandbox.kit import Change, Event, Schedule, Sender, rfc3339, token
from meterstone.sandbox.quickbooks.company import LISTS
from meterstone.sandbox.quickbooks.records import stamp_text

Form = Literal["cloudevents", "legacy"]
SCHEDULE = Schedule(
    (10, 20, 30, 300, 1200, 7200, 14_400, 21_600, *[21_600] * 8), timeout_s=3,
    evidence="https://developer.intuit.com/app/developer/qbo/docs/develop/webhooks/best-practices",
)  # fmt: skip
_PAST = {"Create": "created", "Update": "updated", "Delete": "deleted", "Void": "voided"}


def sign(event: Event, _nth: int) -> Mapping[str, str]:
    """base64 of HMAC-SHA256 over the body, by the verifier token of the application."""
    digest = hmac.digest(event.target.secret.encode(), event.body, sha256)
    return {"intuit-signature": b64encode(digest).decode()}


class Notices:
    """Tells every subscriber of every change in one company.

    Attributes:
        form: which of the two forms is sent.
    """

    def __init__(self, sender: Sender, realm: str, seed: int) -> None:
        self.form: Form = "cloudevents"
        self._sender, self._realm, self._seed = sender, realm, seed
        self._nth = 0

    def tell(self, change: Change) -> None:
        """Listener of an entity."""
        if change.silent or change.entity == "CompanyInfo":
            return
        self._nth += 1
        made = token(self._seed, "qbo-event", self._nth, length=32).lower()
        id_ = f"{made[:8]}-{made[8:12]}-{made[12:16]}-{made[16:20]}-{made[20:]}"
        operation = _operation(change)
        type_ = f"qbo.{change.entity.lower()}.{_PAST[operation]}.v1"
        content = self._cloud_event(change, id_, type_) if self.form == "cloudevents" else {
            "eventNotifications": [{
                "realmId": self._realm,
                "dataChangeEvent": {"entities": [{
                    "name": change.entity, "id": change.id, "operation": operation,
                    "lastUpdated": stamp_text(change.at),
                }]},
            }]
        }  # fmt: skip
        body = json.dumps(content).encode()
        self._sender.send(type_, id_, change.id, lambda _target: body)

    def _cloud_event(self, change: Change, id_: str, type_: str) -> list[dict[str, Any]]:
        return [{
            "specversion": "1.0", "id": id_, "source": "intuit.meterstone-sandbox", "type": type_,
            "datacontenttype": "application/json", "time": rfc3339(change.at),
            "intuitentityid": change.id, "intuitaccountid": self._realm, "data": {},
        }]  # fmt: skip


def _operation(change: Change) -> str:
    if change.kind == "created":
        return "Create"
    if change.kind == "deleted":
        return "Delete"
    note = str(change.record.get("PrivateNote", ""))
    return "Void" if change.entity not in LISTS and note.startswith("Voided") else "Update"
