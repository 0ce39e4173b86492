"""Reports: what a scorecard says, as a PDF, a spreadsheet and a mail, made on time or when asked.

plan ──due──▶ run (a row of the ledger) ──job──▶ content ──▶ PDF · XLSX · mail ──▶ people
                                                              └▶ ``report_run`` fact
"""

from meterstone.publish.reports.model import KINDS, Kind, KindOf, MadeFile, Report

__all__ = ["KINDS", "Kind", "KindOf", "MadeFile", "Report"]
