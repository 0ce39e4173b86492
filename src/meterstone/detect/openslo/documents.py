"""Documents of OpenSLO v1, as far as we have use for them.

Source: https://github.com/OpenSLO/OpenSLO (``openslo/v1``). What OpenSLO leaves to the data source
is ours: a source of type ``meterstone`` names a fact and conditions over it, or a metric of the
catalogue. What alerts say is in annotations, since OpenSLO has no place for it.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from meterstone.detect.slo import Counter
from meterstone.errors import InputError

VERSION = "openslo/v1"
SOURCE = "meterstone"
"""The type of our metric sources."""

WORD = "meterstone-"
"""How the keys of our annotations begin."""

MINUTE, HOUR, DAY = 60, 3600, 86400


class _Doc(msgspec.Struct, kw_only=True, rename="camel"):
    """Part of a document; what we have no use for is not read."""


class Meta(_Doc, kw_only=True):
    """The name of an object."""

    name: str
    display_name: str = ""
    annotations: dict[str, str] = {}


class MetricSource(_Doc, kw_only=True):
    """Where numbers come from."""

    type: str = ""
    metric_source_ref: str = ""
    spec: dict[str, Any] = {}


class Metric(_Doc, kw_only=True):
    """One number of an indicator."""

    metric_source: MetricSource


class Ratio(_Doc, kw_only=True):
    """Good or bad events of all; or a ratio that is kept as one."""

    good: Metric | None = None
    bad: Metric | None = None
    total: Metric | None = None
    raw: Metric | None = None
    raw_type: Literal["success", "failure"] = "success"


class Indicator(_Doc, kw_only=True):
    """What an indicator reads."""

    ratio_metric: Ratio | None = None
    threshold_metric: Metric | None = None


class IndicatorDoc(_Doc, kw_only=True):
    """A named indicator."""

    metadata: Meta
    spec: Indicator


class Window(_Doc, kw_only=True):
    """A budgeting period."""

    duration: str
    is_rolling: bool = False


class Objective(_Doc, kw_only=True):
    """A share of good events that is promised."""

    display_name: str = ""
    target: float | None = None
    target_percent: float | None = None


class Burn(_Doc, kw_only=True):
    """A burn rate at which somebody is called."""

    kind: str = "burnrate"
    threshold: float
    lookback_window: str
    alert_after: str = "0m"


class Condition(_Doc, kw_only=True):
    """When to alert."""

    severity: str
    condition: Burn


class ConditionDoc(_Doc, kw_only=True):
    """A condition, or the name of one."""

    condition_ref: str = ""
    metadata: Meta | None = None
    spec: Condition | None = None


class Policy(_Doc, kw_only=True):
    """Conditions of an alert; one, by the standard."""

    conditions: list[ConditionDoc]


class PolicyDoc(_Doc, kw_only=True):
    """A policy, or the name of one."""

    alert_policy_ref: str = ""
    metadata: Meta | None = None
    spec: Policy | None = None


class SloSpec(_Doc, kw_only=True):
    """An objective."""

    description: str = ""
    service: str = ""
    indicator: IndicatorDoc | None = None
    indicator_ref: str = ""
    time_window: list[Window] = []
    budgeting_method: str
    objectives: list[Objective]
    alert_policies: list[PolicyDoc] = []


class SloDoc(_Doc, kw_only=True):
    """A named objective."""

    metadata: Meta
    spec: SloSpec


def cannot(place: str, what: str, mend: str) -> InputError:
    """We do nothing otherwise than it is written in silence: it is refused."""
    return InputError(f"we cannot do {what}", place=place, mend=mend)


def bare(counter: Counter) -> dict[str, Any]:
    """A counter without what is as by default."""
    fields = msgspec.structs.asdict(counter)
    defaults = msgspec.structs.asdict(Counter(fact="", good="true"))
    return {
        name: value
        for name, value in fields.items()
        if value is not None and (name in ("fact", "good", "bad") or value != defaults[name])
    }
