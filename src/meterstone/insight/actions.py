"""Preventive actions: what studies recommended, and what people say was done about it.

    recommended ──▶ accepted ──▶ implemented ──▶ verified
        ▲   └──────────┴──▶ declined (with the reason)
        └── whatever was said can be taken back

Command line, pages and API say it through `Actions.say`. Each saying is a revision of the fact and
an entry of the audit log: both or none.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from meterstone.errors import InputError, NotFound, suggest
from meterstone.insight.revised import sent, text
from meterstone.ledger import Ledger
from meterstone.measure.compile import literal
from meterstone.warehouse.base import Warehouse

FACT = "prevention_action"
REASON = 500
"""Most characters of a reason."""

State = Literal["recommended", "accepted", "implemented", "verified", "declined"]
STATES: tuple[State, ...] = get_args(State)
OPEN = ("recommended", "accepted")
_STUDY_OF = {"failure_prediction": "risk", "capacity_forecast": "capacity"}
STUDIES = tuple(_STUDY_OF.values())
"""Those that recommend actions."""
_ORIGINS = ", ".join(f"'{origin}'" for origin in _STUDY_OF)


@dataclass(frozen=True, slots=True)
class PreventiveAction:
    """An action that a study recommended.

    Attributes:
        study: ``risk`` or ``capacity``: whose finding recommended it.
        integration: that it is about; None: the whole network.
        cause: what is to be prevented, such as ``backlog`` or ``memory``.
        done_at: since when it is implemented; None: it is not.
        reason: why it was declined.
        person: who said the last that was said; empty: nobody yet.
    """

    id: str
    study: str
    integration: str | None
    cause: str
    state: State
    recommended_at: datetime
    due_at: datetime | None
    done_at: datetime | None
    verified_at: datetime | None
    reason: str
    person: str

    @property
    def is_open(self) -> bool:
        """Whether it waits for somebody."""
        return self.state in OPEN


@dataclass(frozen=True, slots=True)
class Said:
    """What somebody says of an action.

    Attributes:
        actor: as the audit log names them.
        person, role: as the fact names them.
        reason: why it is declined.
    """

    state: str
    actor: str
    person: str
    role: str = ""
    reason: str = ""


class Actions:
    """The preventive actions of a home. Thread-safe.

    Args:
        warehouse: gives where facts are.
        land: puts rows on record, on disk when it returns.
        map_new: makes facts of what landed.
    """

    def __init__(
        self,
        ledger: Ledger,
        warehouse: Callable[[], Warehouse],
        land: Callable[[Iterable[Mapping[str, Any]], str], object],
        map_new: Callable[[], object],
    ) -> None:
        self._ledger, self._warehouse = ledger, warehouse
        self._land, self._map_new = land, map_new
        self._saying = threading.Lock()

    def all(
        self, study: str | None = None, until: datetime | None = None,
        known_at: datetime | None = None,
    ) -> list[PreventiveAction]:  # fmt: skip
        """Those that were recommended: open ones first, then the newest.

        Args:
            study: by this one; None: by any.
            until: before this moment; None: at any time.
            known_at: as known then; None: now.
        """
        found = [action_of(row) for row in self._rows(known_at)]
        return sorted(
            (
                each for each in found
                if study in (None, each.study)
                and (until is None or each.recommended_at < until)
            ),
            key=lambda each: (not each.is_open, -each.recommended_at.timestamp(), each.id),
        )  # fmt: skip

    def say(self, action: str, said: Said) -> PreventiveAction:
        """Put on record what is said of an action; to say the same again changes nothing.

        Raises:
            NotFound: nothing recommended such an action.
            InputError: there is no such state, or it was declined without a reason.
        """
        with self._saying:  # two who say something at once: the second answers the first
            self._map_new()
            rows = self._rows(None)
            row = answered(rows, action, said, self._ledger.now())
            before = next(action_of(each) for each in rows if each["action_id"] == action)
            if (before.state, before.reason) == (said.state, row.get("decline_reason", "")):
                return before
            detail = {"state": said.state, "before": before.state}
            if "decline_reason" in row:
                detail["reason"] = row["decline_reason"]
            with self._ledger.change(said.actor) as change:
                change.audit("prevention.state", action, **detail)
                self._land([row], f"prevention {action} {said.state}")
            self._map_new()
            [after] = [each for each in self._rows(None) if each["action_id"] == action]
        return action_of(after)

    def _rows(self, known_at: datetime | None) -> list[dict[str, Any]]:
        warehouse = self._warehouse()
        rows: list[dict[str, Any]] = warehouse.query(
            f"SELECT a.* FROM {warehouse.relation(FACT, known_at)} AS a "
            f"WHERE a.origin IN ({_ORIGINS}) AND a.environment = 'production' "
            f"AND NOT a.synthetic AND a.recommended_at <= {literal(self._ledger.now())}"
        ).to_pylist()
        return [
            {k: v.replace(tzinfo=UTC) if isinstance(v, datetime) else v for k, v in row.items()}
            for row in rows
        ]


def action_of(row: Mapping[str, Any]) -> PreventiveAction:
    """A row of the fact as an action."""
    return PreventiveAction(
        id=row["action_id"],
        study=_STUDY_OF[row["origin"]],
        integration=row["integration"],
        cause=str(row["cause_key"] or "").removeprefix("risk:"),
        state=row["status"],
        recommended_at=row["recommended_at"],
        due_at=row["due_at"],
        done_at=row["implemented_at"],
        verified_at=row["verified_at"],
        reason=row["decline_reason"] or "",
        person=row["entered_by"] or "",
    )


def answered(
    rows: Sequence[Mapping[str, Any]], action: str, said: Said, at: datetime
) -> dict[str, Any]:
    """A recommended action with what is said of it, as a revision.

    Args:
        rows: all actions that were recommended, as the warehouse has them.

    Raises:
        NotFound: there is no such action.
        InputError: there is no such state, or it was declined without a reason.
    """
    if said.state not in STATES:
        raise InputError(
            f"unknown state {said.state[:100]!r}", place="state",
            mend=suggest(said.state[:100], list(STATES)),
        )  # fmt: skip
    why = " ".join(said.reason.split())
    if said.state == "declined" and not 0 < len(why) <= REASON:
        raise InputError(
            "declined without a reason" if not why else "the reason is too long",
            place="reason", mend=f"say why, in at most {REASON} characters",
        )  # fmt: skip
    found = next((row for row in rows if row["action_id"] == action), None)
    if found is None:
        known = [row["action_id"] for row in rows]
        raise NotFound(
            f"nothing recommended {action[:100]!r}", place="action",
            mend=suggest(action[:100], known) if known else "run `meterstone insight run risk`",
        )  # fmt: skip
    done = said.state in ("implemented", "verified")
    left_out = {"verified_at", "decline_reason"} | (set() if done else {"implemented_at"})
    row = {k: v for k, v in sent(FACT, found).items() if k not in left_out}
    row |= {"status": said.state, "entered_by": said.person}
    # what is said a second time after something else is another record: the log keeps equal bytes
    # once
    row["revision"] = found["revision"] + 1
    if said.role:
        row["entered_role"] = said.role
    if done:
        row.setdefault("implemented_at", text(at))
    if said.state == "verified":
        row["verified_at"] = text(at)
    if said.state == "declined":
        row["decline_reason"] = why
    return row


def action_link(integration: str | None, study: str, cause: str) -> str:
    """Where what was done is said, a path of the pages."""
    return f"/insight/{study}#{anchor(integration, cause)}"


def anchor(integration: str | None, cause: str) -> str:
    """The name of an action on its page: the same whenever it is recommended again."""
    named = f"{integration or 'network'}-{cause}"
    return "act-" + "".join(c if c.isalnum() or c in "-_" else "-" for c in named)
