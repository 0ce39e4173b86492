"""What the stand-ins of all vendors share: books, records, sign-in, faults, limits, webhooks."""

from meterstone.sandbox.kit.accounts import Accounts, Client, Refused, Rules, Tokens
from meterstone.sandbox.kit.books import Books, Row, Rows
from meterstone.sandbox.kit.clock import Clock, micros, moment, rfc3339, spread, token
from meterstone.sandbox.kit.consent import Consent, form
from meterstone.sandbox.kit.entity import CHANGED, Change, Entity, Key, Record, Selection
from meterstone.sandbox.kit.faults import KINDS, Faults
from meterstone.sandbox.kit.limits import Concurrent, Limits, Rate, Standing
from meterstone.sandbox.kit.serving import running
from meterstone.sandbox.kit.vendor import Account, Live, Vendor, known_vendors, make
from meterstone.sandbox.kit.webhooks import Event, Schedule, Sender, Target

__all__ = [
    "CHANGED", "KINDS", "Account", "Accounts", "Books", "Change", "Client", "Clock", "Concurrent",
    "Consent", "Entity", "Event", "Faults", "Key", "Limits", "Live", "Rate", "Record", "Refused",
    "Row", "Rows", "Rules", "Schedule", "Selection", "Sender", "Standing", "Target", "Tokens",
    "Vendor", "form", "known_vendors", "make", "micros", "moment", "rfc3339", "running", "spread",
    "token",
]  # fmt: skip
