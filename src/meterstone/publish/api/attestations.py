"""Attestations: forms for what no machine knows, statements, and the review queue."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from meterstone.errors import InputError
from meterstone.publish.api.past import Moment
from meterstone.publish.api.ports import Asking, Given
from meterstone.publish.api.problems import WRITES, answers, json_alone

router = APIRouter(tags=["attestations"])

_BASE64_OF_THE_LARGEST = 4 * (64 * 2**20) // 3 + 4


class FormField(BaseModel):
    """One field of the form of a fact."""

    model_config = ConfigDict(from_attributes=True)
    name: str
    type: str
    unit: str
    required: bool
    allowed: list[str]
    desc: str


class ReviewDue(BaseModel):
    """A statement whose evidence expires soon, or has expired and was not renewed."""

    model_config = ConfigDict(from_attributes=True)
    fact: str
    what: str
    key: Mapping[str, Any]
    entered_by: str
    entered_role: str
    evidence_uri: str
    expires_at: datetime
    state: Literal["expired", "expires soon"]


class EvidenceFile(BaseModel):
    """A file of evidence; ``content``: its bytes in Base64."""

    model_config = {"extra": "forbid"}
    name: str = Field(max_length=400)
    content: str = Field(max_length=_BASE64_OF_THE_LARGEST)
    media_type: str = Field("", max_length=200)


class NewStatement(BaseModel):
    """A statement: either a link or a file is the evidence."""

    model_config = {"extra": "forbid"}
    columns: dict[str, Any]
    person: str = Field(
        "", max_length=400,
        description="Who states it, where a program sends it for somebody; of a person who is "
        "signed in it is that person.",
    )  # fmt: skip
    role: str = Field(max_length=400)
    expires_at: Moment
    evidence_uri: str = Field("", max_length=2000)
    evidence_file: EvidenceFile | None = None


class Stated(BaseModel):
    """What was put on record: ``new`` and ``revised`` count rows."""

    fact: str
    evidence_uri: str
    new: int
    revised: int


@router.get("/attestations/forms")
def attestation_forms(given: Given) -> dict[str, list[FormField]]:
    """Every fact that can be attested, with the fields of its form."""
    return {
        fact: [FormField.model_validate(each) for each in fields]
        for fact, fields in given.attests.attestation_forms().items()
    }


@router.get("/attestations/due")
def attestations_due(
    given: Given,
    days: Annotated[int, Query(ge=0, le=9999, description="Within so many days.")] = 60,
) -> list[ReviewDue]:
    """Statements that expire soon or have expired."""
    due = given.attests.attestations_due(timedelta(days))
    return [ReviewDue.model_validate(each) for each in due]


@router.post(
    "/attestations/{fact}",
    status_code=201,
    responses=answers(*WRITES),
    dependencies=[Depends(json_alone)],
)
def attest(
    fact: Annotated[str, Path(max_length=100)], sent: NewStatement, given: Given, asking: Asking
) -> Stated:
    """Put a statement on record; 201 when it is on disk."""
    stated = given.attests.attest(
        fact,
        sent.columns,
        person=asking.name if asking.id.startswith("person:") else sent.person or asking.name,
        role=sent.role,
        evidence=_evidence(sent),
        expires_at=_utc(sent.expires_at),
    )
    return Stated.model_validate(stated)


def _evidence(sent: NewStatement) -> str | tuple[bytes, str, str]:
    if sent.evidence_file is None:
        return sent.evidence_uri
    try:
        content = base64.b64decode(sent.evidence_file.content, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError(
            "the file is not Base64", place="evidence_file.content", mend="encode its bytes"
        ) from error
    return content, sent.evidence_file.name, sent.evidence_file.media_type


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
