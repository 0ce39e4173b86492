"""From the files of a catalogue to its entries as written, each with the place it stands at.

A catalogue is one YAML file, or a folder whose ``catalogue.yaml`` lists its files. ``extends:
framework`` starts from the definitions that Meterstone ships: an entry of the own files replaces
the one with the same id (relations: the same name; places: the same ref). Within the own files, and
within the framework, nothing may be defined twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Generic, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from meterstone.catalogue.convert import convert
from meterstone.catalogue.model import (
    RawHead,
    RawHoldGate,
    RawMetric,
    RawPart,
    RawPlace,
    RawRelation,
)
from meterstone.catalogue.problems import Problems
from meterstone.catalogue.source import Document, Position, read_yaml

T = TypeVar("T")

MAIN = "catalogue.yaml"


@dataclass(frozen=True, slots=True)
class Written(Generic[T]):
    """An entry as written, and where. ``layer`` 0 is the framework, 1 the own catalogue."""

    raw: T
    at: Position
    layer: int


@dataclass(slots=True)
class Sources:
    """Everything that was read, before it is resolved. ``order`` has the refs as written."""

    name: str = "catalogue"
    version: str = "1"
    time_zone: str = "UTC"
    relations: dict[str, Written[RawRelation]] = field(default_factory=dict)
    metrics: dict[str, Written[RawMetric]] = field(default_factory=dict)
    places: dict[str, Written[RawPlace]] = field(default_factory=dict)
    gates: dict[str, Written[RawHoldGate]] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    digest: Any = field(default_factory=hashlib.sha256)


def framework_path() -> Path:
    """The folder of the definitions that Meterstone ships."""
    return Path(str(files("meterstone.catalogue").joinpath("framework")))


def starter() -> str:
    """A commented catalogue for a company that has other goals, to be edited."""
    return (Path(__file__).parent / "starter.yaml").read_text(encoding="utf-8")


def read_sources(path: Path) -> Sources:
    """Read a catalogue with all its parts.

    Raises:
        CatalogueError: the first file that cannot be read, else every entry with a wrong form.
    """
    problems = Problems()
    sources = Sources()
    _Reader(sources, problems, layer=1).read(path)
    problems.raise_any()
    return sources


class _Reader:
    """Reads the files of one layer into the sources."""

    def __init__(self, sources: Sources, problems: Problems, *, layer: int) -> None:
        self._sources = sources
        self._problems = problems
        self._layer = layer

    def read(self, path: Path) -> None:
        main = path / MAIN if path.is_dir() else path
        document = read_yaml(main)
        self._sources.digest.update(document.raw)
        head = convert(_mapping(document), RawHead, document.position)
        if head.extends:
            _Reader(self._sources, self._problems, layer=0).read(framework_path())
        self._take_head(head, document.position)
        self._take(head, document.position)
        for index in range(len(head.files)):
            with self._problems.caught():
                self._read_part(main, head.files, index, document.position / "files" / index)

    def _read_part(self, main: Path, names: list[str], index: int, at: Position) -> None:
        part = main.parent / names[index]
        if names[index] in names[:index] or part == main:
            raise at.error(f"{names[index]!r} is read twice", "list each file once")
        if not part.is_file():
            raise at.error(f"no file {names[index]!r} beside {main.name}", "correct the name")
        document = read_yaml(part)
        self._sources.digest.update(document.raw)
        self._take(convert(_mapping(document), RawPart, document.position), document.position)

    def _take_head(self, head: RawHead, at: Position) -> None:
        sources = self._sources
        sources.name = head.name or sources.name
        sources.version = sources.version if head.version is None else str(head.version)
        sources.time_zone = head.time_zone or sources.time_zone
        with self._problems.caught():
            _check_time_zone(sources.time_zone, at / "time_zone")

    def _take(self, part: RawPart, at: Position) -> None:
        for name, entry in (part.relations or {}).items():
            with self._problems.caught():
                self._take_relation(name, entry, at / "relations" / name)
        for index, entry in enumerate(part.metrics or []):
            with self._problems.caught():
                self._take_metric(entry, at / "metrics" / index)
        for index, entry in enumerate(part.gates or []):
            with self._problems.caught():
                self._take_gate(entry, at / "gates" / index)

    def _take_relation(self, name: str, entry: Any, at: Position) -> None:
        written = Written(convert(entry, RawRelation, at), at, self._layer)
        _put(self._sources.relations, "relation", name, written)

    def _take_metric(self, entry: Any, at: Position) -> None:
        if isinstance(entry, dict) and "same_as" in entry:
            self._take_place(Written(convert(entry, RawPlace, at), at, self._layer))
            return
        written = Written(convert(entry, RawMetric, at), at, self._layer)
        replaced = self._sources.metrics.get(written.raw.id)
        _put(self._sources.metrics, "metric", written.raw.id, written)
        old = replaced.raw.ref if replaced else None
        if old != written.raw.ref:
            if old:
                self._sources.order.remove(old)
            self._take_ref(written.raw.ref, at)

    def _take_place(self, written: Written[RawPlace]) -> None:
        ref = written.raw.ref
        replaced = self._sources.places.get(ref)
        _put(self._sources.places, "place", ref, written)
        if replaced is None:
            self._take_ref(ref, written.at)

    def _take_ref(self, ref: str, at: Position) -> None:
        """Add a ref; a metric may take the ref of a place of the framework."""
        place = self._sources.places.get(ref)
        if place and place.layer < self._layer:
            del self._sources.places[ref]
        elif ref in self._sources.order:
            raise (at / "ref").error(
                f"ref {ref!r} is defined twice (first at {self._first(ref, at)})",
                "remove one of the two, or give it the id of the metric that it replaces",
            )
        else:
            self._sources.order.append(ref)

    def _first(self, ref: str, again: Position) -> Position:
        places = [w.at for w in self._sources.places.values() if w.raw.ref == ref]
        metrics = [w.at for w in self._sources.metrics.values() if w.raw.ref == ref]
        return next(at for at in [*metrics, *places] if at != again)

    def _take_gate(self, entry: Any, at: Position) -> None:
        written = Written(convert(entry, RawHoldGate, at), at, self._layer)
        _put(self._sources.gates, "gate", written.raw.id, written)


def _put(entries: dict[str, Written[T]], what: str, name: str, written: Written[T]) -> None:
    known = entries.get(name)
    if known and known.layer == written.layer:
        raise written.at.error(
            f"{what} {name!r} is defined twice (first at {known.at})",
            "rename one of the two, or remove it",
        )
    entries[name] = written


def _mapping(document: Document) -> Mapping[str, Any]:
    content = document.content
    if isinstance(content, dict):
        return content
    cause = "the file is empty" if content is None else "a catalogue is a mapping (key: value)"
    raise document.position.error(cause, "start with `name:`, `relations:` or `metrics:`")


def _check_time_zone(name: str, at: Position) -> None:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise at.error(
            f"unknown time zone {name!r}",
            "write an IANA name such as Europe/Berlin or America/New_York",
        ) from error
