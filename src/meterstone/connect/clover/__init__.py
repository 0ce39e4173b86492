"""Clover: the connector."""
