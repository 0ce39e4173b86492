"""Tableau: a table of ours as a data source."""
