"""Numbers of ours, published in systems where people look at them (Tableau, Power BI).

rows ──▶ Table ──▶ Publisher of the vendor ──HTTP──▶ vendor's job ──▶ Pushed
                             └─▶ facts: sync_run (direction out), report_run
"""

from meterstone.connect.push.publish import Published, publish
from meterstone.connect.push.publisher import Caller, Publisher, Pushed, PushError
from meterstone.connect.push.pushing import PUSH, Pushing, Ready
from meterstone.connect.push.table import Column, Table, scorecard_table

__all__ = [
    "PUSH",
    "Caller",
    "Column",
    "Published",
    "Publisher",
    "PushError",
    "Pushed",
    "Pushing",
    "Ready",
    "Table",
    "publish",
    "scorecard_table",
]
