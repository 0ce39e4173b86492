"""The objects of the simulated org: standard fields, and custom ones that its operator added."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Type = Literal[
    "id", "string", "picklist", "boolean", "currency", "percent", "double", "date", "datetime",
    "reference", "textarea",
]  # fmt: skip
DATED: frozenset[str] = frozenset({"date", "datetime"})


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an object.

    Attributes:
        system: Salesforce sets it; a client may not.
        needed: a new record must have it.
        external: an external id: records can be fetched by it.
        refers: the object that a reference leads to.
    """

    name: str
    type: Type = "string"
    system: bool = False
    needed: bool = False
    external: bool = False
    refers: str = ""

    @property
    def custom(self) -> bool:
        """Whether the operator added it."""
        return self.name.endswith("__c")

    def described(self) -> dict[str, Any]:
        """As `describe` tells it."""
        return {
            "name": self.name, "label": self.name.removesuffix("__c").replace("_", " "),
            "type": self.type, "custom": self.custom, "nillable": not (self.needed or self.system),
            "createable": not self.system, "updateable": not self.system,
            "externalId": self.external, "idLookup": self.external or self.type == "id",
            "filterable": True, "sortable": self.type != "textarea", "calculated": False,
            "length": 18 if self.type in ("id", "reference") else 255,
            "referenceTo": [self.refers] if self.refers else [],
            "relationshipName": self.name.removesuffix("Id") if self.refers else None,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sobject:
    """One object.

    Attributes:
        prefix: what its ids begin with.
    """

    name: str
    label: str
    plural: str
    prefix: str
    fields: Mapping[str, Field]

    def field(self, name: str) -> Field | None:
        """A field, whatever its case; also of a parent, such as ``Account.Name``."""
        above, _, own = name.partition(".")
        if own:
            parent = next((f for f in self.fields.values() if _relation(f) == above.lower()), None)
            return OBJECTS[parent.refers].field(own) if parent else None
        return next((f for key, f in self.fields.items() if key.lower() == above.lower()), None)

    def described(self, base: str) -> dict[str, Any]:
        """In the list of all objects."""
        return {
            "name": self.name, "label": self.label, "labelPlural": self.plural,
            "keyPrefix": self.prefix, "custom": False, "queryable": True, "retrieveable": True,
            "createable": True, "updateable": True, "deletable": True, "searchable": True,
            "urls": {
                "sobject": f"{base}/sobjects/{self.name}",
                "describe": f"{base}/sobjects/{self.name}/describe",
                "rowTemplate": f"{base}/sobjects/{self.name}/{{ID}}",
            },
        }  # fmt: skip


def _relation(field: Field) -> str:
    return field.name.removesuffix("Id").lower() if field.refers else ""


_BEGIN = (Field("Id", "id", system=True), Field("IsDeleted", "boolean", system=True))
_END = (
    Field("CreatedDate", "datetime", system=True),
    Field("LastModifiedDate", "datetime", system=True),
    Field("SystemModstamp", "datetime", system=True),
)  # fmt: skip


def _object(name: str, label: str, plural: str, prefix: str, *fields: Field) -> Sobject:
    every = (*_BEGIN, *fields, *_END)
    return Sobject(name, label, plural, prefix, {field.name: field for field in every})


OBJECTS: Mapping[str, Sobject] = {
    made.name: made
    for made in (
        _object(
            "Account", "Account", "Accounts", "001",
            Field("Name", needed=True), Field("AccountNumber"), Field("Type", "picklist"),
            Field("Industry", "picklist"), Field("Segment__c", "picklist"),
        ),
        _object(
            "Opportunity", "Opportunity", "Opportunities", "006",
            Field("Name", needed=True), Field("AccountId", "reference", refers="Account"),
            Field("StageName", "picklist", needed=True), Field("Amount", "currency"),
            Field("Probability", "percent"), Field("CloseDate", "date", needed=True),
            Field("Type", "picklist"), Field("LeadSource", "picklist"),
            Field("IsClosed", "boolean", system=True), Field("IsWon", "boolean", system=True),
            Field("LastStageChangeDate", "datetime", system=True),
            Field("External_Id__c", external=True), Field("Dedupe_Key__c"),
            Field("Qualified_At__c", "datetime"), Field("Closed_At__c", "datetime"),
            Field("MainCompetitors__c"), Field("Loss_Reason__c", "picklist"),
            Field("Win_Probability__c", "double"),
        ),
        _object(
            "Lead", "Lead", "Leads", "00Q",
            Field("LastName", needed=True), Field("FirstName"), Field("Company", needed=True),
            Field("Email"), Field("Status", "picklist"), Field("LeadSource", "picklist"),
            Field("IsConverted", "boolean", system=True),
            Field("ConvertedDate", "date", system=True),
            Field("ConvertedOpportunityId", "reference", system=True, refers="Opportunity"),
            Field("External_Id__c", external=True), Field("Dedupe_Key__c"),
            Field("Kind__c", "picklist"), Field("Client_Id__c"), Field("Client_Segment__c"),
            Field("Amount__c", "currency"), Field("Stage_At__c", "datetime"),
            Field("Closed_At__c", "datetime"), Field("MainCompetitors__c"),
            Field("Loss_Reason__c", "picklist"), Field("Win_Probability__c", "double"),
        ),
        _object(
            "Case", "Case", "Cases", "500",
            Field("CaseNumber", system=True), Field("AccountId", "reference", refers="Account"),
            Field("Subject"), Field("Status", "picklist"), Field("Origin", "picklist"),
            Field("Priority", "picklist"), Field("IsClosed", "boolean", system=True),
            Field("IsEscalated", "boolean"), Field("ClosedDate", "datetime", system=True),
            Field("Shop__c"),
        ),
    )
}  # fmt: skip
