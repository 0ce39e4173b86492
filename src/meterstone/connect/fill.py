"""``{name}`` in a connector's URLs, headers and bodies."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from meterstone.errors import InputError, suggest

_NAME = re.compile(r"\{([a-z_][a-z0-9_]*)\}")


def names(template: Any) -> frozenset[str]:
    """Names that a template asks for; a template is a text, or a list or mapping of templates."""
    if isinstance(template, str):
        return frozenset(_NAME.findall(template))
    if isinstance(template, Mapping):
        return frozenset().union(*map(names, template.values()))
    if isinstance(template, (list, tuple)):
        return frozenset().union(*map(names, template))
    return frozenset()


def fill(template: Any, values: Mapping[str, str], *, place: str = "") -> Any:
    """The template with every ``{name}`` replaced, in one pass: braces within a value stay.
    What is no text is returned as it is.

    Raises:
        InputError: a name that has no value. The message holds names only, never a value.
    """
    if isinstance(template, str):
        return _replaced(template, values, place, lambda value, _start: value)
    if isinstance(template, Mapping):
        return {key: fill(value, values, place=place) for key, value in template.items()}
    if isinstance(template, (list, tuple)):
        return [fill(value, values, place=place) for value in template]
    return template


def fill_url(template: str, values: Mapping[str, str], *, place: str = "") -> str:
    """A URL with every ``{name}`` replaced; a value is percent-encoded, so that it cannot change
    host, path or query, except where the URL begins with it (``{base_url}/v1``).

    Raises:
        InputError: a name that has no value.
    """
    return _replaced(
        template,
        values,
        place,
        lambda value, start: value.rstrip("/") if start == 0 else quote(value, safe=""),
    )


def _replaced(
    template: str, values: Mapping[str, str], place: str, form: Callable[[str, int], str]
) -> str:
    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            mend = suggest(match[1], sorted(values))
            raise InputError(f"{{{match[1]}}} has no value", place=place, mend=mend)
        return form(values[match[1]], match.start())

    return _NAME.sub(value, template)
