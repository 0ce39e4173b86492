"""Leads from systems without an API: e-mail and CSV files, read into records for the mapping.

A record is the same whichever way it came, so that one mapping serves mail, CSV link, upload and
webhook; what is no lead is a `Reject` with the reason, and costs no other.
"""

from meterstone.connect.intake.lead import Form, read_leads

__all__ = ["Form", "read_leads"]
