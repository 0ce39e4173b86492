"""A specification as SVG: in the ink of the page, for a wide and for a narrow place."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import vl_convert
from markupsafe import Markup

WIDE, NARROW = 720, 280
"""Widths of the two drawings: letters must not shrink with the window."""
_MOST = 512
INK, SOFT, RULE, BAND = "var(--ink)", "var(--soft)", "var(--rule)", "var(--band)"
"""Colours are names of the page's tokens, so that one drawing serves light, dark and print."""


class Specified(Protocol):
    """What Altair makes; only who specifies loads it, which takes a while."""

    def configure(self, *args: Any, **kwargs: Any) -> Any:
        """Set what holds for the whole."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing that a page shows inline.

    Attributes:
        wide, narrow: the same specification at two widths; a style shows the one that fits.
        says: the same in words, for whoever cannot see it.
        hash: SHA-256 of what it is drawn of.
    """

    wide: Markup
    narrow: Markup
    says: str
    hash: str


def draw(kind: str, content: Any, specify: Callable[[int], Specified], says: str) -> Chart:
    """A chart, specified and drawn once for each content.

    Args:
        kind: of the chart.
        content: what it shows: what makes two charts of a kind differ, as JSON.
        specify: gives the specification of this content for a width.
        says: the chart in words.
    """
    canonical = json.dumps([kind, content], sort_keys=True, separators=(",", ":"))
    made = hashlib.sha256(canonical.encode()).hexdigest()
    with _lock:
        drawn = _kept.pop(made, None)
    if drawn is None:
        drawn = _svg(specify(WIDE)), _svg(specify(NARROW))
    with _lock:
        _kept[made] = drawn  # newest last
        while len(_kept) > _MOST:
            del _kept[next(iter(_kept))]
    shown = Markup('<svg class="{}" role="img" aria-label="{}" ')
    wide, narrow = (
        shown.format(name, says) + svg for name, svg in zip(("wide", "narrow"), drawn, strict=True)
    )
    return Chart(wide, narrow, says, made)


_ROLES = re.compile(r' (?:role|aria-roledescription|aria-label|aria-hidden)="[^"]*"')
_lock = threading.Lock()
_kept: dict[str, tuple[Markup, Markup]] = {}


def _dressed(chart: Specified) -> Any:
    """In the same ink as everything else, without a frame."""
    return (
        chart.configure(background="transparent", aria=False, padding=2)
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=SOFT, labelFont="inherit", labelFontSize=12, domainColor=RULE,
            tickColor=RULE, gridColor=RULE, title=None,
        )
    )  # fmt: skip


def _svg(chart: Specified) -> Markup:
    """What follows the name of the element, up to its end."""
    text = vl_convert.vegalite_to_svg(_dressed(chart).to_dict())
    text = re.sub(r"\d+\.\d{3,}", lambda long: f"{float(long[0]):.2f}", text)  # no eye sees more
    text = _ROLES.sub("", text)  # the whole is one image with a name
    size = text[text.index("viewBox=") : text.index(">")]
    return Markup(size + text[text.index(">") :])  # noqa: S704 - drawn of our own specification
