"""State that has to be relational: connections, secrets, cursors, jobs, outbox, audit log."""

from meterstone.ledger.alerts import Alert, Drill, Incident, IncidentEvent
from meterstone.ledger.announced import Attempt, Delivery, Endpoint, Message
from meterstone.ledger.audit import AuditLog, AuditReport, Entry
from meterstone.ledger.connections import Connection, Status
from meterstone.ledger.cursors import Cursor
from meterstone.ledger.discrepancies import Discrepancy
from meterstone.ledger.inbound import InboundEvent
from meterstone.ledger.jobs import PRIORITIES, Job, Priority
from meterstone.ledger.leases import Lease
from meterstone.ledger.ledger import Change, Ledger
from meterstone.ledger.outbox import DELIVER
from meterstone.ledger.people import Person, PersonStatus
from meterstone.ledger.reports import ReportPlan, ReportRun
from meterstone.ledger.secrets import Secret
from meterstone.ledger.sign_ins import ApiToken, OneTimeLink, Session

__all__ = [
    "DELIVER",
    "PRIORITIES",
    "Alert",
    "ApiToken",
    "Attempt",
    "AuditLog",
    "AuditReport",
    "Change",
    "Connection",
    "Cursor",
    "Delivery",
    "Discrepancy",
    "Drill",
    "Endpoint",
    "Entry",
    "InboundEvent",
    "Incident",
    "IncidentEvent",
    "Job",
    "Lease",
    "Ledger",
    "Message",
    "OneTimeLink",
    "Person",
    "PersonStatus",
    "Priority",
    "ReportPlan",
    "ReportRun",
    "Secret",
    "Session",
    "Status",
]
