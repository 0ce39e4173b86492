"""From catalogue files to checked definitions; every error names file, line and what to write.

Three stages, each on what the one before made: the files and the form of their entries, the
relations, and the metrics with all that speaks of them. A stage reports all of its errors that are
independent of each other; a file that cannot be read as YAML ends the first stage at once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from meterstone.catalogue.groups import GroupChecker
from meterstone.catalogue.metrics import MetricResolver
from meterstone.catalogue.model import Catalogue, FactShape
from meterstone.catalogue.problems import Problems
from meterstone.catalogue.reading import read_sources
from meterstone.catalogue.relations import resolve_relations


def load_catalogue(
    path: Path, shapes: Mapping[str, FactShape], *, hooks: Collection[str] | None = None
) -> Catalogue:
    """Read and check a catalogue.

    Args:
        path: a YAML file, or a folder with ``catalogue.yaml``.
        shapes: the facts that definitions may read.
        hooks: names that ``hook:`` may have (`meterstone.measure.hooks`); None leaves them
            unchecked.

    Raises:
        CatalogueError: with file, line, cause and mend; of several errors the first one, which
            carries them all (`meterstone.catalogue.problems.CatalogueErrors`).
    """
    sources = read_sources(path)
    relations = resolve_relations(sources.relations, shapes, sources.time_zone)
    problems = Problems()
    metrics = MetricResolver(sources, relations, shapes, hooks, problems).resolve()
    GroupChecker(sources.order, metrics, relations, problems).check(sources)
    problems.raise_any()
    return Catalogue(
        name=sources.name,
        version=sources.version,
        hash=sources.digest.hexdigest(),
        metrics=metrics,
        relations=relations,
        gates={id_: gate.raw for id_, gate in sources.gates.items()},
        time_zone=sources.time_zone,
        order=tuple(sources.order),
    )
