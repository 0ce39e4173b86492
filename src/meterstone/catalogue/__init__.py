"""What is measured: metrics, targets, scales, gates as YAML; their typed model and loader."""

from meterstone.catalogue.loader import load_catalogue
from meterstone.catalogue.model import Catalogue, FactShape, Metric, Place, Relation, Target, Term
from meterstone.catalogue.problems import CatalogueErrors
from meterstone.catalogue.reading import framework_path, starter
from meterstone.catalogue.windows import Window, parse_window

__all__ = [
    "Catalogue",
    "CatalogueErrors",
    "FactShape",
    "Metric",
    "Place",
    "Relation",
    "Target",
    "Term",
    "Window",
    "framework_path",
    "load_catalogue",
    "parse_window",
    "starter",
]
