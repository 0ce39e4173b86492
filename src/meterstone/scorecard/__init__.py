"""The signed document that every face of the product renders.

What is named like its module is taken from there: ``scorecard.sign.sign``, ``scorecard.diff.diff``,
``scorecard.schema.schema``, ``scorecard.canonical.canonical``.
"""

from meterstone.scorecard.builder import About, build, is_restatement
from meterstone.scorecard.canonical import content_hash
from meterstone.scorecard.model import Change, Gate, Label, Lineage, Metric, Scorecard, read
from meterstone.scorecard.sign import SigningKey, key_id, signing_key, trust, trusted_keys
from meterstone.scorecard.values import (
    VERDICTS,
    format_interval,
    format_target,
    format_value,
    verdict_text,
)
from meterstone.scorecard.verify import (
    Recomputation,
    Request,
    Verification,
    verify_document,
    verify_with,
)

__all__ = [
    "VERDICTS",
    "About",
    "Change",
    "Gate",
    "Label",
    "Lineage",
    "Metric",
    "Recomputation",
    "Request",
    "Scorecard",
    "SigningKey",
    "Verification",
    "build",
    "content_hash",
    "format_interval",
    "format_target",
    "format_value",
    "is_restatement",
    "key_id",
    "read",
    "signing_key",
    "trust",
    "trusted_keys",
    "verdict_text",
    "verify_document",
    "verify_with",
]
