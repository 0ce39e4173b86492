"""Fransmart: leads by e-mail, CSV and signed webhook; there is no API."""
