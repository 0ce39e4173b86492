"""Reconciliation: source and copy are compared, differences are resolved by declared precedence."""

from meterstone.connect.reconcile.reconciler import Reconciler
from meterstone.connect.reconcile.result import Reconciliation
from meterstone.connect.reconcile.rules import Rules, rules
from meterstone.connect.reconcile.sales import compare_sales
from meterstone.connect.reconcile.schedule import Schedule

__all__ = [
    "Reconciler",
    "Reconciliation",
    "Rules",
    "Schedule",
    "compare_sales",
    "rules",
]
