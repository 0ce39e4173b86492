"""IFPG: leads by e-mail, CSV and signed webhook, and its feed of companies; there is no API."""
