"""Days off that are known without asking anybody."""

from __future__ import annotations

from datetime import date

from meterstone.insight.shape import Holidays


def of_united_states(first: date, last: date) -> Holidays:
    """Federal holidays of the United States, as observed, by day (pandas' calendar)."""
    from pandas.tseries.holiday import USFederalHolidayCalendar  # noqa: PLC0415 - slow to load

    found = USFederalHolidayCalendar().holidays(first, last, return_name=True)
    return {moment.date(): str(name) for moment, name in found.items()}
