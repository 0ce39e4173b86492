"""Objectives as documents that other tools read and write: OpenSLO v1."""

from meterstone.detect.openslo.reading import Imported, read
from meterstone.detect.openslo.writing import write

__all__ = ["Imported", "read", "write"]
