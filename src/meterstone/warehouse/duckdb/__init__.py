"""The embedded engine: DuckDB, append-only tables, no secondary index, one writer thread."""

from meterstone.warehouse.duckdb.engine import DuckDBWarehouse

__all__ = ["DuckDBWarehouse"]
