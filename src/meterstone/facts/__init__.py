"""What is recorded: one schema a fact, the shared vocabulary of the whole house."""

from meterstone.facts.columns import batch_of_columns
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
from meterstone.facts.validate import (
    CLOCK_TOLERANCE,
    EARLIEST,
    FactBatch,
    Reject,
    RowRefused,
    arrow_schema,
    build_batch,
    excerpt,
    from_columns,
    refuse_frozen,
)

__all__ = [
    "CLOCK_TOLERANCE",
    "EARLIEST",
    "EVIDENCE_LEVELS",
    "Column",
    "Evidence",
    "FactBatch",
    "FactSchema",
    "Reject",
    "Rollup",
    "RowCheck",
    "RowRefused",
    "Vocabulary",
    "arrow_schema",
    "batch_of_columns",
    "build_batch",
    "excerpt",
    "from_columns",
    "refuse_frozen",
    "vocabulary",
]
