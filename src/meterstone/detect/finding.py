"""What a rule finds when it looks: a condition that holds now, and all that an alert says of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from meterstone.ledger.alerts import Blame, IncidentKind, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A condition that holds. ``lasting_s``: so long until it counts; ``clear_s``: so long it must
    be gone until it is over (hysteresis). The other fields are those of `ledger.Alert`."""

    rule: str
    cause_key: str
    kind: IncidentKind
    severity: Severity
    fault: Blame
    integration: str
    title: str
    says: str
    next: str
    started_at: datetime
    value: float | None = None
    threshold: float | None = None
    budget: str = ""
    franchises: Sequence[str] = ()
    lasting_s: float = 0.0
    clear_s: float = 0.0

    @property
    def place(self) -> tuple[str, str]:
        """What one alert is for: a rule and a cause."""
        return self.rule, self.cause_key
