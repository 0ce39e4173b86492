"""Surveys: a wave that few answered beside one of another instrument that many did."""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt

from . import Example, Expect, Row, at

AT = at("2026-04-01")
ANSWERS = 120


def wave(instrument: str, invited: int, population: int) -> Row:
    return {
        "fact": "survey_wave", "wave_id": f"w-{instrument}", "instrument": instrument,
        "opened_at": "2026-03-01T00:00:00Z", "closed_at": "2026-03-31T12:00:00Z",
        "sampling": "census", "population_size": population, "invited": invited,
        "wording_version": "1",
    }  # fmt: skip


def answer(instrument: str, question: str, number: int, score: float, high: int) -> Row:
    return {
        "fact": "survey_response", "response_id": f"{instrument}{number}",
        "wave_id": f"w-{instrument}", "instrument": instrument, "question": question,
        "respondent_id": f"{instrument}{number}", "respondent_role": "owner",
        "franchise_id": f"F{number}", "submitted_at": "2026-03-10T00:00:00Z", "score": score,
        "scale_min": 0 if high == 10 else 1, "scale_max": high,
    }  # fmt: skip


def waves(invited: int, population: int) -> Iterator[Row]:
    """Owners: all satisfied, all likely to recommend; and many more who say how easy it is."""
    yield wave("owner_satisfaction", invited, population)
    yield wave("recommendation", invited, population)
    yield wave("user_experience", 500, 90_000)
    for number in range(ANSWERS):
        yield answer("owner_satisfaction", "overall", number, 5, 5)
        yield answer("recommendation", "recommend", number, 10, 10)
    for number in range(400):
        yield answer("user_experience", "ease_of_use", number, 1, 5)


def wilson_fpc(share: float, n: int, population: int) -> tuple[float, float]:
    """Wilson interval of a share in per cent, with the correction for a finite population."""
    size, z = n * (population - 1) / (population - n), 1.959963984540054
    middle = (share + z * z / (2 * size)) / (1 + z * z / size)
    half = z / (1 + z * z / size) * sqrt(share * (1 - share) / size + z * z / (4 * size * size))
    return 100 * (middle - half), 100 * (middle + half)


INTERVAL = wilson_fpc(1.0, ANSWERS, 200)

EXAMPLES = (
    Example(
        "owners of whom more than 30 % answered",
        AT,
        tuple(waves(200, 200)),
        {
            "franchise_owner_satisfaction": Expect(100.0, ANSWERS, "met", INTERVAL),
            "customer_advocacy": Expect(100.0, ANSWERS, "met", INTERVAL),
            "recommendation_likelihood": Expect(10.0, ANSWERS, "met"),
        },
    ),
    Example(
        "owners of whom 12 % answered",
        AT,
        tuple(waves(1000, 1000)),
        {
            "franchise_owner_satisfaction": Expect(100.0, ANSWERS, "insufficient_data"),
            "customer_advocacy": Expect(100.0, ANSWERS, "insufficient_data"),
            "recommendation_likelihood": Expect(10.0, ANSWERS, "insufficient_data"),
        },
    ),
)
