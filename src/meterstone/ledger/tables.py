"""The tables of the ledger, for both engines. What changes here needs a migration beside it;
a test holds the two against each other.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Moment(sa.TypeDecorator[datetime]):
    """A moment as whole microseconds since 1970, UTC: the same order and equality on both engines,
    and no time zone that an engine could lose."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> int | None:
        del dialect
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: sa.Dialect) -> datetime | None:
        del dialect
        return None if value is None else _EPOCH + value * _MICROSECOND


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)

_Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""A number that the engine gives: only INTEGER does that in SQLite."""

info = sa.Table(
    "ledger_info",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

connections = sa.Table(
    "connections",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("connector", sa.Text, nullable=False),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("franchise_id", sa.Text),
    sa.Column("settings", sa.JSON, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("mend", sa.Text, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("changed_at", Moment, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
)
_still_connected = connections.c.status != "disconnected"
sa.Index(
    "uq_connections_account",
    connections.c.connector,
    connections.c.account,
    connections.c.environment,
    unique=True,
    sqlite_where=_still_connected,
    postgresql_where=_still_connected,
)

data_keys = sa.Table(
    "data_keys",
    metadata,
    sa.Column("owner", sa.Text, primary_key=True),
    sa.Column("home_key", sa.Text, nullable=False),
    sa.Column("wrapped", sa.LargeBinary, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
)

secrets = sa.Table(
    "secrets",
    metadata,
    sa.Column("owner", sa.Text, sa.ForeignKey("data_keys.owner"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("sealed", sa.LargeBinary),  # null: deleted; the version stays used
    sa.Column("expires_at", Moment),
    sa.Column("changed_at", Moment, nullable=False),
)

cursors = sa.Table(
    "cursors",
    metadata,
    sa.Column("connection", sa.Text, sa.ForeignKey("connections.id"), primary_key=True),
    sa.Column("stream", sa.Text, primary_key=True),
    sa.Column("value", sa.JSON, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("changed_at", Moment, nullable=False),
)

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", _Number, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("payload", sa.JSON, nullable=False),
    sa.Column("priority", sa.SmallInteger, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("dedupe", sa.Text),
    sa.Column("group_name", sa.Text),
    sa.Column("due_at", Moment, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("most_attempts", sa.Integer, nullable=False),
    sa.Column("worker", sa.Text),
    sa.Column("lease_until", Moment),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("finished_at", Moment),
    sqlite_autoincrement=True,
)


def _is_in(table: sa.FromClause, *states: str) -> sa.ColumnElement[bool]:
    """Literals, and no parameters: else SQLite does not see that a partial index fits."""
    return table.c.state.in_([sa.literal_column(f"'{state}'") for state in states])


waiting = _is_in(jobs, "waiting")
running = _is_in(jobs, "running")


def running_in(table: sa.FromClause) -> sa.ColumnElement[bool]:
    """Jobs that run, of an alias of the table."""
    return _is_in(table, "running")


def unfinished(table: sa.FromClause = jobs) -> sa.ColumnElement[bool]:
    """Jobs that wait or run."""
    return _is_in(table, "waiting", "running")


_alive = unfinished()
sa.Index(
    "uq_jobs_dedupe", jobs.c.dedupe, unique=True, sqlite_where=waiting, postgresql_where=waiting
)
sa.Index(
    "ix_jobs_due",
    jobs.c.priority,
    jobs.c.due_at,
    jobs.c.id,
    sqlite_where=_alive,
    postgresql_where=_alive,
)
sa.Index(
    "ix_jobs_group", jobs.c.group_name, jobs.c.id, sqlite_where=_alive, postgresql_where=_alive
)
sa.Index("ix_jobs_state", jobs.c.state, jobs.c.finished_at)

job_groups = sa.Table(
    "job_groups",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("most", sa.Integer, nullable=False),
    sa.Column("ordered", sa.Boolean, nullable=False),
    sa.Column("held_until", Moment),  # nothing of the group is claimed before
)

leases = sa.Table(
    "leases",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column("until", Moment, nullable=False),
    sa.Column("fence", sa.BigInteger, nullable=False),
)

audit_entries = sa.Table(
    "audit_entries",
    metadata,
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("entry", sa.Text, nullable=False),  # canonical JSON: what the leaf is the hash of
    sa.Column("leaf", sa.LargeBinary, nullable=False),
)

audit_head = sa.Table(
    "audit_head",
    metadata,
    sa.Column("one", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("frontier", sa.LargeBinary, nullable=False),
)

endpoints = sa.Table(
    "endpoints",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("event_types", sa.JSON, nullable=False),  # empty: all
    sa.Column("ordered", sa.Boolean, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("changed_at", Moment, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),  # in a row
    sa.Column("failing_since", Moment),
)

messages = sa.Table(
    "messages",
    metadata,
    sa.Column("number", _Number, primary_key=True),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sqlite_autoincrement=True,
)
sa.Index("ix_messages_created_at", messages.c.created_at)

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("message", sa.Text, sa.ForeignKey("messages.id"), primary_key=True),
    sa.Column("endpoint", sa.Text, sa.ForeignKey("endpoints.id"), primary_key=True),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("finished_at", Moment),
    sa.Column("told", sa.Text, nullable=False, server_default=""),  # the status that facts tell
)
_untold = deliveries.c.told != deliveries.c.status
sa.Index(
    "ix_deliveries_untold", deliveries.c.created_at, sqlite_where=_untold, postgresql_where=_untold
)
sa.Index("ix_deliveries_endpoint", deliveries.c.endpoint, deliveries.c.status)

attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("id", _Number, primary_key=True),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("endpoint", sa.Text, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("took_ms", sa.Float, nullable=False),
    sa.Column("status_code", sa.Integer),  # null: no answer
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False, server_default=""),  # of what was answered
    sa.ForeignKeyConstraint(("message", "endpoint"), ("deliveries.message", "deliveries.endpoint")),
    sqlite_autoincrement=True,
)
sa.Index("ix_attempts_delivery", attempts.c.message, attempts.c.endpoint)

inbound_hooks = sa.Table(
    "inbound_hooks",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("connector", sa.Text, nullable=False),
    sa.Column("connection", sa.Text, sa.ForeignKey("connections.id")),  # null: by account
    sa.Column("url", sa.Text, nullable=False),  # without its secret part
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("removed_at", Moment),
    sa.Column("taken", sa.Integer, nullable=False),
    sa.Column("doubles", sa.Integer, nullable=False),
    sa.Column("refused", sa.Integer, nullable=False),
    sa.Column("last_at", Moment),
    sa.Column("last_refusal", sa.Text, nullable=False),
    sa.Column("handshake", sa.Text, nullable=False),  # the code that a person shows the vendor
)

inbound_events = sa.Table(
    "inbound_events",
    metadata,
    sa.Column("connection", sa.Text, primary_key=True),
    sa.Column("event", sa.Text, primary_key=True),  # the vendor's id: what doubles are told by
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("stream", sa.Text, nullable=False),
    sa.Column("record", sa.Text, nullable=False),  # the vendor's id of what it is about
    sa.Column("changed_at", Moment),
    sa.Column("arrived_at", Moment, nullable=False),
    sa.Column("deliveries", sa.Integer, nullable=False),
    sa.Column("missed", sa.Boolean, nullable=False),  # a poll found the change, no event came
    sa.Column("landed", _Number),  # number in the landing log of what it made us write
    sa.Column("done_at", Moment),
    sa.Column("told", sa.Text, nullable=False),  # the state that facts tell
)
sa.Index(
    "ix_inbound_events_record",
    inbound_events.c.connection,
    inbound_events.c.stream,
    inbound_events.c.record,
)
sa.Index("ix_inbound_events_arrived_at", inbound_events.c.arrived_at)
_open = sa.and_(inbound_events.c.done_at.is_(None), inbound_events.c.landed.is_not(None))
sa.Index(
    "ix_inbound_events_open", inbound_events.c.landed, sqlite_where=_open, postgresql_where=_open
)

discrepancies = sa.Table(
    "discrepancies",
    metadata,
    sa.Column("id", _Number, primary_key=True),
    sa.Column("recon", sa.Text, nullable=False),
    sa.Column("connection", sa.Text, nullable=False),
    sa.Column("entity", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("detail", sa.JSON, nullable=False),
    sa.Column("amount", sa.Float),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("found_at", Moment, nullable=False),
    sa.Column("resolved_at", Moment),
    sa.Column("assigned_to", sa.Text, nullable=False, server_default=""),
    sqlite_autoincrement=True,
)
sa.Index("ix_discrepancies_open", discrepancies.c.outcome, discrepancies.c.connection)
sa.Index("ix_discrepancies_recon", discrepancies.c.recon)

alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("cause_key", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("fault", sa.Text, nullable=False),
    sa.Column("integration", sa.Text, nullable=False),
    sa.Column("franchises", sa.JSON, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("says", sa.Text, nullable=False),
    sa.Column("next", sa.Text, nullable=False),
    sa.Column("budget", sa.Text, nullable=False),
    sa.Column("value", sa.Float),
    sa.Column("threshold", sa.Float),
    sa.Column("started_at", Moment, nullable=False),
    sa.Column("pending_at", Moment, nullable=False),
    sa.Column("fired_at", Moment),
    sa.Column("acknowledged_at", Moment),
    sa.Column("acknowledged_by", sa.Text, nullable=False),
    sa.Column("silenced_by", sa.Text, nullable=False),
    sa.Column("incident", sa.Text, nullable=False),  # empty: none
    sa.Column("resolved_at", Moment),
    sa.Column("resolution", sa.Text, nullable=False),
)
_alert_lasts = alerts.c.resolved_at.is_(None)
sa.Index(
    "uq_alerts_open",
    alerts.c.rule,
    alerts.c.cause_key,
    unique=True,
    sqlite_where=_alert_lasts,
    postgresql_where=_alert_lasts,
)
sa.Index("ix_alerts_pending_at", alerts.c.pending_at)
sa.Index("ix_alerts_incident", alerts.c.incident)

incidents = sa.Table(
    "incidents",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("fault", sa.Text, nullable=False),
    sa.Column("cause_key", sa.Text, nullable=False),
    sa.Column("integration", sa.Text, nullable=False),
    sa.Column("franchises", sa.JSON, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("says", sa.Text, nullable=False),
    sa.Column("next", sa.Text, nullable=False),
    sa.Column("started_at", Moment, nullable=False),
    sa.Column("detected_at", Moment, nullable=False),
    sa.Column("acknowledged_at", Moment),
    sa.Column("acknowledged_by", sa.Text, nullable=False),
    sa.Column("resolved_at", Moment),
    sa.Column("resolution", sa.Text, nullable=False),
    sa.Column("auto_resolved", sa.Boolean, nullable=False),
)
_incident_lasts = incidents.c.resolved_at.is_(None)
sa.Index(
    "uq_incidents_open",
    incidents.c.cause_key,
    unique=True,
    sqlite_where=_incident_lasts,
    postgresql_where=_incident_lasts,
)
sa.Index("ix_incidents_started_at", incidents.c.started_at)

incident_events = sa.Table(
    "incident_events",
    metadata,
    sa.Column("number", _Number, primary_key=True),
    sa.Column("incident", sa.Text, sa.ForeignKey("incidents.id"), nullable=False),
    sa.Column("alert", sa.Text, nullable=False),  # empty: of the incident itself
    sa.Column("at", Moment, nullable=False),
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sqlite_autoincrement=True,
)
sa.Index("ix_incident_events_incident", incident_events.c.incident)

drills = sa.Table(
    "drills",
    metadata,
    sa.Column("id", _Number, primary_key=True),
    sa.Column("series", sa.Text, nullable=False),
    sa.Column("vendor", sa.Text, nullable=False),
    sa.Column("fault", sa.Text, nullable=False),
    sa.Column("harmful", sa.Boolean, nullable=False),  # false: no alarm is the right answer
    sa.Column("started_at", Moment, nullable=False),
    sa.Column("ended_at", Moment, nullable=False),
    sa.Column("detected_s", sa.Float),
    sa.Column("recovered_s", sa.Float),
    sa.Column("alarms", sa.Integer, nullable=False),
    sa.Column("false_alarms", sa.Integer, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sqlite_autoincrement=True,
)
sa.Index("ix_drills_started_at", drills.c.started_at)

people = sa.Table(
    "people",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),  # what is typed to sign in
    sa.Column("called", sa.Text, nullable=False),
    sa.Column("email", sa.Text, unique=True),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("password", sa.Text),  # argon2id; null: signs in elsewhere, or not yet
    sa.Column("issuer", sa.Text),
    sa.Column("subject", sa.Text),
    sa.Column("by_claims", sa.Boolean, nullable=False),  # the provider says the role
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("changed_at", Moment, nullable=False),
    sa.Column("signed_in_at", Moment),
    sa.Column("version", sa.Integer, nullable=False),
    sa.UniqueConstraint("issuer", "subject"),
)

person_franchises = sa.Table(
    "person_franchises",
    metadata,
    sa.Column("person", sa.Text, sa.ForeignKey("people.id"), primary_key=True),
    sa.Column("franchise", sa.Text, primary_key=True),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),  # of the secret in the cookie
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("person", sa.Text, sa.ForeignKey("people.id"), nullable=False, index=True),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("seen_at", Moment, nullable=False),
    sa.Column("expires_at", Moment, nullable=False, index=True),
    sa.Column("agent", sa.Text, nullable=False),
    sa.Column("address", sa.Text, nullable=False),
)

api_tokens = sa.Table(
    "api_tokens",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("person", sa.Text, sa.ForeignKey("people.id"), nullable=False, index=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("rights", sa.JSON, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
    sa.Column("used_at", Moment),
    sa.Column("revoked_at", Moment),
)

sign_in_attempts = sa.Table(
    "sign_in_attempts",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),  # digest of a name or of an address
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("last_at", Moment, nullable=False, index=True),
    sa.Column("blocked_until", Moment, nullable=False),
)

one_time_links = sa.Table(
    "one_time_links",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("person", sa.Text, sa.ForeignKey("people.id")),  # null: makes the first admin
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
)

scorecards = sa.Table(
    "scorecards",
    metadata,
    sa.Column("number", _Number, primary_key=True),
    sa.Column("scope_kind", sa.Text, nullable=False),
    sa.Column("scope_key", sa.Text, nullable=False),
    sa.Column("day", sa.Text, nullable=False),  # a calendar day, ISO 8601
    sa.Column("known_at", Moment, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),  # canonical JSON, zstd
    sa.Column("changes", sa.JSON, nullable=False),
    sqlite_autoincrement=True,
)
sa.Index("ix_scorecards_scope", scorecards.c.scope_kind, scorecards.c.scope_key, scorecards.c.day)

scope_days = sa.Table(
    "scope_days",
    metadata,
    sa.Column("scope_kind", sa.Text, primary_key=True),
    sa.Column("scope_key", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),  # JSON, zstd
    sa.Column("version", sa.BigInteger, nullable=False),
)

study_rounds = sa.Table(
    "study_rounds",
    metadata,
    sa.Column("number", _Number, primary_key=True),
    sa.Column("study", sa.Text, nullable=False),
    sa.Column("day", sa.Text, nullable=False),  # a calendar day, ISO 8601
    sa.Column("known_at", Moment, nullable=False),
    sa.Column("input", sa.Text, nullable=False),  # digest of what was read
    sa.Column("took_s", sa.Float, nullable=False),
    sa.Column("found", sa.Integer, nullable=False),
    sqlite_autoincrement=True,
)
sa.Index("ix_study_rounds_study", study_rounds.c.study, study_rounds.c.day)

findings = sa.Table(
    "findings",
    metadata,
    sa.Column("number", _Number, primary_key=True),
    sa.Column("round", _Number, sa.ForeignKey("study_rounds.number"), nullable=False),
    sa.Column("scope_kind", sa.Text, nullable=False),
    sa.Column("scope_key", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),  # canonical JSON, zstd
    sqlite_autoincrement=True,
)
sa.Index(
    "uq_findings_round",
    findings.c.round,
    findings.c.scope_kind,
    findings.c.scope_key,
    findings.c.key,
    unique=True,
)

report_runs = sa.Table(
    "report_runs",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("scope", sa.Text, nullable=False),
    sa.Column("day", sa.Text, nullable=False),
    sa.Column("mode", sa.Text, nullable=False),
    sa.Column("asked_by", sa.Text, nullable=False),
    sa.Column("requested_at", Moment, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("step", sa.Text, nullable=False),
    sa.Column("done", sa.Integer, nullable=False),
    sa.Column("parts", sa.Integer, nullable=False),
    sa.Column("finished_at", Moment),
    sa.Column("scorecard", sa.Text, nullable=False),
    sa.Column("files", sa.JSON, nullable=False),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("mend", sa.Text, nullable=False),
    sa.Column("viewed_at", Moment),
    sa.Column("viewed_by", sa.Text, nullable=False),
    sa.Column("told", sa.Text, nullable=False),  # what the facts tell already
)
sa.Index(
    "uq_report_runs_period",
    report_runs.c.kind,
    report_runs.c.scope,
    report_runs.c.day,
    unique=True,
    sqlite_where=sa.text("mode = 'scheduled'"),
    postgresql_where=sa.text("mode = 'scheduled'"),
)
sa.Index("ix_report_runs_requested_at", report_runs.c.requested_at)

report_plans = sa.Table(
    "report_plans",
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("at", sa.Text, nullable=False),  # local time of day, 06:00
    sa.Column("channels", sa.JSON, nullable=False),
    sa.Column("since", sa.Text, nullable=False),  # periods that ended before are not made
)

channels = sa.Table(
    "channels",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("way", sa.Text, nullable=False),  # of its URL, which is a secret: mailto, slack …
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("last_at", Moment),
    sa.Column("last_error", sa.Text, nullable=False),
)

routes = sa.Table(
    "routes",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("settings", sa.JSON, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
)

notices = sa.Table(
    "notices",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("route", sa.Text, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("incidents", sa.JSON, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("sent_at", Moment),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("error", sa.Text, nullable=False),
)
sa.Index("ix_notices_created_at", notices.c.created_at)

notice_events = sa.Table(
    "notice_events",
    metadata,
    sa.Column("route", sa.Text, primary_key=True),
    sa.Column("event", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("group_key", sa.Text, nullable=False),
    sa.Column("notice", sa.Text),  # null: waits for its group
)

notice_seen = sa.Table(
    "notice_seen",
    metadata,
    sa.Column("event", sa.BigInteger, primary_key=True, autoincrement=False),
)
