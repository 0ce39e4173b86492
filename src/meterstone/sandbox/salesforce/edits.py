"""Creating, updating and deleting records, and what Salesforce fills in itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meterstone.sandbox.kit import Record
from meterstone.sandbox.salesforce.answers import ApiError, not_found
from meterstone.sandbox.salesforce.org import Org
from meterstone.sandbox.salesforce.records import LOST, full_id
from meterstone.sandbox.salesforce.schema import OBJECTS, Sobject

_WON, _LOST = "won", "lost"


def create(org: Org, sobject: Sobject, given: Mapping[str, Any]) -> Record:
    """Create a record.

    Raises:
        ApiError: a field is missing, unknown, or Salesforce's own.
    """
    _check(sobject, given)
    missing = [f.name for f in sobject.fields.values() if f.needed and not given.get(f.name)]
    if missing:
        raise ApiError(
            "REQUIRED_FIELD_MISSING", f"Required fields are missing: {missing}", fields=missing
        )
    new: Record = dict.fromkeys(sobject.fields)
    new |= dict(given) | {"Id": org.new_id(sobject.prefix), "IsDeleted": False}
    del new["CreatedDate"]
    _work_out(sobject, new, None, org.now_text())
    return org.entities[sobject.name].put(new)


def update(org: Org, sobject: Sobject, id_: str, given: Mapping[str, Any]) -> Record:
    """Change fields of a record.

    Raises:
        ApiError: it is not there, was deleted, or a field is wrong.
    """
    _check(sobject, given)
    held = find(org, sobject, id_)
    new = {**held, **given}
    _work_out(sobject, new, held, org.now_text())
    return org.entities[sobject.name].put(new)


def delete(org: Org, sobject: Sobject, id_: str) -> None:
    """Move a record to the recycle bin, where queryAll still finds it."""
    org.entities[sobject.name].delete(find(org, sobject, id_)["Id"])


def find(org: Org, sobject: Sobject, id_: str) -> Record:
    """A record by its id, of 15 or 18 characters.

    Raises:
        ApiError: there is none, or it was deleted.
    """
    entity = org.entities[sobject.name]
    found = entity.get(full_id(id_))
    if found is None and entity.is_deleted(full_id(id_)):
        raise ApiError("ENTITY_IS_DELETED", "entity is deleted", 404, [])
    if found is None:
        raise not_found()
    return found


def by_external(org: Org, sobject: Sobject, name: str, value: str) -> Record | None:
    """A record by an external id; None where none has it.

    Raises:
        ApiError: the field is no external id.
    """
    field = sobject.field(name)
    if field is None or not field.external:
        raise not_found()
    found = org.entities[sobject.name].select()
    records = found.page(0, len(found))
    return next((record for record in records if record.get(field.name) == value), None)


def _check(sobject: Sobject, given: Mapping[str, Any]) -> None:
    for name in given:
        field = sobject.fields.get(name)
        if field is None:
            raise ApiError(
                "INVALID_FIELD", f"No such column '{name}' on sobject of type {sobject.name}"
            )
        if field.system:
            raise ApiError(
                "INVALID_FIELD_FOR_INSERT_UPDATE",
                f"Unable to create/update fields: {name}", fields=[name],
            )  # fmt: skip


def _work_out(sobject: Sobject, new: Record, held: Record | None, now: str) -> None:
    if sobject is OBJECTS["Opportunity"]:
        stage = str(new["StageName"]).lower()
        new["IsWon"] = _WON in stage
        new["IsClosed"] = new["IsWon"] or _LOST in stage
        if held is not None and held["StageName"] != new["StageName"]:
            new["LastStageChangeDate"] = now
            if new["Closed_At__c"] is None and new["IsClosed"]:
                new["Closed_At__c"] = now
    elif sobject is OBJECTS["Lead"]:
        new["IsConverted"] = bool(new.get("IsConverted"))
        new["Status"] = new.get("Status") or "open"
        if held is None or held["Status"] != new["Status"]:
            new["Stage_At__c"] = new.get("Stage_At__c") if held is None else now
            if new["Status"] == LOST and new["Closed_At__c"] is None:
                new["Closed_At__c"] = now
    elif sobject is OBJECTS["Case"]:
        new["Status"] = new.get("Status") or "New"
        new["IsClosed"] = new["Status"] == "Closed"
        new["IsEscalated"] = bool(new.get("IsEscalated"))
        if new["IsClosed"] and not (held and held["IsClosed"]):
            new["ClosedDate"] = now
