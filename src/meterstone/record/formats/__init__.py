"""One module a format; each holds ``FORMAT``. Adding one touches no list: they are discovered."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from meterstone.record.model import Format


@cache
def formats() -> dict[str, Format]:
    """All formats by name, in the order in which detection asks them (alphabetical by module)."""
    found = {}
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda info: info.name):
        form: Format = importlib.import_module(f"{__name__}.{module.name}").FORMAT
        found[form.name] = form
    return found
