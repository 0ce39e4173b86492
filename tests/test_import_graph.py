"""Dependencies point inward, and nobody imports in a circle.

Every import counts: at the top of a module, in a function, and under TYPE_CHECKING.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
ROOT = "meterstone"

ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "facts": {"errors"},
    "catalogue": {"errors"},
    "warehouse": {"errors", "facts"},
    "record": {"errors", "facts", "warehouse.base"},
    "connect": {
        "errors",
        "facts",
        "record",
        "ledger",
        "warehouse.base",
        "catalogue.source",
        "catalogue.problems",
    },
    "measure": {"errors", "facts", "catalogue", "warehouse"},
    "scorecard": {"errors", "facts", "measure.results"},
    # a face reads scorecards; drill-down (`explain`) shows more and says so
    "publish": {
        "errors",
        "facts",
        "framework",
        "measure.results",
        "measure.explain",
        "measure.days",
        "scorecard",
        "ledger",
        "board",
        "catalogue",
        "detect.state",
        "detect.service",
        "insight.findings",
        # what people say was done about a preventive action
        "insight.actions",
        "people",
        # what people and programs do with connections; both faces speak with it
        "connect.connecting",
        "connect.auth",
        "notify",
        "connect.egress",
        # how every way in says no
        "record.answers",
        # drill-down ends at the record that landed
        "record.model",
    },
    # computed when something new landed, read by faces
    "board": {"errors", "facts", "catalogue", "measure", "scorecard", "ledger", "warehouse.base"},
    "detect": {
        "errors",
        "facts",
        "catalogue",
        "measure.results",
        "measure.compile",
        "measure.gates",
        "measure.days",
        "board.model",
        "ledger",
        "warehouse.base",
    },
    "people": {"errors", "ledger"},
    "notify": {"errors", "ledger", "detect.state", "detect.service", "connect.egress"},
    "client": {"errors", "scorecard.model", "detect.state"},
    "sandbox": {"errors", "facts"},
    "ledger": {"errors", "scorecard.canonical", "scorecard.sign"},
    # statistics over any series, and the studies that ask them of facts and scorecards
    "insight": {
        "errors",
        "facts",
        "catalogue",
        "measure.results",
        "measure.compile",
        "measure.days",
        "board.model",
        # sentences say a value as every face does
        "scorecard.values",
        "board.busy",
        "ledger",
        "scorecard.canonical",
        "warehouse.base",
    },
    # puts load on a system; its rows are facts of anybody's making
    "loadtest": {"errors"},
    "framework": {"errors", "catalogue", "measure.results", "scorecard"},
    "settings": {"errors"},
}
"""What a package may import beside itself: a package, or one module of it."""

WIRES = ("app", "cli", "docs", "demo", "__main__")
"""Modules that may import anything; only they may import each other."""


def modules() -> dict[str, Path]:
    """All modules by their dotted name without ``meterstone.``; the package itself is ``''``."""
    found = {}
    for path in (SOURCE / ROOT).rglob("*.py"):
        parts = path.relative_to(SOURCE / ROOT).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = path
    return found


MODULES = modules()


def imports(name: str) -> set[str]:
    """Modules of ours that a module imports."""
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    return {target for node in ast.walk(tree) for target in _targets(node, name)} - {name}


def _targets(node: ast.AST, importer: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield from _ours(alias.name)
    elif isinstance(node, ast.ImportFrom):
        base = _absolute(node, importer)
        for alias in node.names:
            inner = f"{base}.{alias.name}"
            yield from _ours(inner if inner.removeprefix(f"{ROOT}.") in MODULES else base)


def _absolute(node: ast.ImportFrom, importer: str) -> str:
    if not node.level:
        return node.module or ""
    is_package = MODULES[importer].name == "__init__.py"
    parts = [ROOT, *importer.split(".")]
    kept = parts[: len(parts) - node.level + is_package]
    return ".".join([*kept, *([node.module] if node.module else [])])


def _ours(dotted: str) -> Iterator[str]:
    if dotted == ROOT:
        yield ""
    elif dotted.startswith(f"{ROOT}."):
        yield dotted.removeprefix(f"{ROOT}.")


GRAPH = {name: imports(name) for name in MODULES}


def package(name: str) -> str:
    return name.partition(".")[0]


def is_allowed(importer: str, imported: str) -> bool:
    home = package(importer)
    if home in WIRES or package(imported) == home or imported == "":
        return True
    return any(
        imported == allowed or imported.startswith(f"{allowed}.") for allowed in ALLOWED[home]
    )


def test_every_package_has_its_place() -> None:
    assert {package(name) for name in MODULES} - {"", *WIRES} <= set(ALLOWED)


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_module_imports_inward_only(name: str) -> None:
    outward = {other for other in GRAPH[name] if not is_allowed(name, other)} if name else GRAPH[""]
    assert outward == set()


def test_no_cycles() -> None:
    try:
        TopologicalSorter(GRAPH).prepare()
    except CycleError as error:
        pytest.fail("imports in a circle: " + " → ".join(reversed(error.args[1])))


def test_nobody_imports_the_generator_of_pages() -> None:
    assert [name for name, targets in GRAPH.items() if "docs" in targets] == []


def test_the_test_sees_every_kind_of_import() -> None:
    tree = ast.parse(
        "import meterstone.errors\n"
        "def f():\n    from meterstone.facts import model\n    from meterstone import facts\n"
        "    from . import problems\n    from .sql import parse_query\n    import json\n"
    )
    found = {t for node in ast.walk(tree) for t in _targets(node, "catalogue.loader")}
    assert found == {
        "errors", "facts.model", "facts", "catalogue.problems", "catalogue.sql"
    }  # fmt: skip
