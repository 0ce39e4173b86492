"""Findings: what studies found, claimed or withheld."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from meterstone.errors import NotFound, suggest
from meterstone.insight.findings import KeptFinding
from meterstone.measure.results import Scope
from meterstone.publish.api.caching import BOARD
from meterstone.publish.api.documents import answer, shown
from meterstone.publish.api.franchises import Franchise
from meterstone.publish.api.metrics import ScopeText, scope_of
from meterstone.publish.api.paging import Pages
from meterstone.publish.api.past import AsOf, Past
from meterstone.publish.api.ports import Given, Ports
from meterstone.publish.findings import FindingRow, rows

router = APIRouter(tags=["findings"], dependencies=[BOARD])

Study = Annotated[str, Path(max_length=100, description="Name of the study, such as `forecasts`.")]
Key = Annotated[str, Path(max_length=300, description="What the finding is about.")]
OfStudy = Annotated[str | None, Query(max_length=100, description="Of this study alone.")]
Withheld = Annotated[bool | None, Query(description="Only what is withheld, or only what is not.")]


@router.get("/findings", responses=shown(FindingRow, many=True))
def findings(  # each is a parameter of the query
    given: Given,
    past: Past,
    pages: Pages,
    study: OfStudy = None,
    scope: ScopeText | None = None,
    withheld: Withheld = None,
) -> Response:
    """Findings of the newest day by study, scope and key; ``rank`` tells what is most important."""
    return _listed(given, past, pages, study, None if scope is None else scope_of(scope), withheld)


@router.get("/findings/{study}/{key:path}", responses=shown(KeptFinding))
def finding(
    study: Study, key: Key, given: Given, past: Past, scope: ScopeText = "network"
) -> Response:
    """A finding with everything that it rests on."""
    return _one(given, past, study, key, scope_of(scope))


@router.get("/franchises/{franchise}/findings", responses=shown(FindingRow, many=True))
def franchise_findings(  # each is a parameter of the query
    franchise: Franchise,
    given: Given,
    past: Past,
    pages: Pages,
    study: OfStudy = None,
    withheld: Withheld = None,
) -> Response:
    """What was found about a franchise."""
    return _listed(given, past, pages, study, Scope("franchise", franchise), withheld)


@router.get("/franchises/{franchise}/findings/{study}/{key:path}", responses=shown(KeptFinding))
def franchise_finding(
    franchise: Franchise, study: Study, key: Key, given: Given, past: Past
) -> Response:
    """A finding about a franchise."""
    return _one(given, past, study, key, Scope("franchise", franchise))


def _listed(
    given: Ports, past: AsOf, pages: Pages, study: str | None, scope: Scope | None,
    withheld: bool | None,
) -> Response:  # fmt: skip
    found = given.findings.of(scope, study, past.day, past.known_at)
    wanted = [
        row for row in rows(found) if withheld is None or withheld is (row.withheld is not None)
    ]
    made = answer(pages.of(wanted, _order, tuple[str, str, str, str]))
    made.headers.update(pages.response.headers)
    return made


def _order(row: FindingRow) -> tuple[str, str, str, str]:
    return row.study, row.scope.kind, row.scope.key, row.key


def _one(given: Ports, past: AsOf, study: str, key: str, scope: Scope) -> Response:
    found = given.findings.one(study, key, scope, past.day, past.known_at)
    if found is None:
        known = [each.finding.key for each in given.findings.of(scope, study)]
        raise NotFound(
            f"{study[:60]} found nothing about {key[:60]!r} at {str(scope)[:60]}",
            place="finding",
            mend=suggest(key[:60], known) if known else "/api/v1/findings lists what there is",
        )
    return answer(found)
