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
from meterstone.facts.validate import (
    CLOCK_TOLERANCE,
    EARLIEST,
    FactBatch,
    Reject,
    arrow_schema,
    build_batch,
    excerpt,
    from_columns,
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
    "Vocabulary",
    "arrow_schema",
    "build_batch",
    "excerpt",
    "from_columns",
    "vocabulary",
]
