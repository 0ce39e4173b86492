"""What is recorded: one schema a fact, the shared vocabulary of the whole house."""

from meterstone.facts.loader import vocabulary
from meterstone.facts.model import (
    EVIDENCE_LEVELS,
    Column,
    Evidence,
    FactSchema,
    Rollup,
    RowCheck,
    Vocabulary,
)
from meterstone.facts.validate import FactBatch, Reject, arrow_schema, build_batch, excerpt

__all__ = [
    "EVIDENCE_LEVELS",
    "Column",
    "Evidence",
    "FactBatch",
    "FactSchema",
    "Reject",
    "Rollup",
    "RowCheck",
    "Vocabulary",
    "arrow_schema",
    "build_batch",
    "excerpt",
    "vocabulary",
]
