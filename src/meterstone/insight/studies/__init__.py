"""The questions that are asked once a day; see docs/insight.md."""

from __future__ import annotations

from meterstone.insight.study import Study


def studies() -> tuple[Study, ...]:
    """All of them, in the order in which they are asked: later ones may read what earlier ones
    found. Called when they are first needed: their libraries take a second to load."""
    from meterstone.insight.cache import of_user  # noqa: PLC0415
    from meterstone.insight.studies.anomalies import Anomalies  # noqa: PLC0415
    from meterstone.insight.studies.capacity import Capacity  # noqa: PLC0415
    from meterstone.insight.studies.effect import GoingLive  # noqa: PLC0415
    from meterstone.insight.studies.forecasts import Forecasts  # noqa: PLC0415
    from meterstone.insight.studies.outlook import GateOutlook  # noqa: PLC0415
    from meterstone.insight.studies.owners import Owners  # noqa: PLC0415
    from meterstone.insight.studies.risk import FailureRisk  # noqa: PLC0415
    from meterstone.insight.studies.targets import Targets  # noqa: PLC0415
    from meterstone.insight.studies.worth import Worth  # noqa: PLC0415

    return (
        Forecasts(of_user()),
        Capacity(),
        FailureRisk(),
        Anomalies(),
        GoingLive(),
        Worth(),
        Targets(),
        GateOutlook(),
        Owners(),
    )
