"""What faces read: kept scorecards, values by day, names of scopes. Nothing here is computed when
somebody looks; the evaluator (`meterstone.board.evaluator`) computes it when something new landed.
"""

from meterstone.board.model import Board, Card, DayValue, Named, Revision

__all__ = ["Board", "Card", "DayValue", "Named", "Revision"]
