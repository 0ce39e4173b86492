"""What docs/metric-language.md shows is a catalogue that loads, runs, and fails as it says."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from meterstone.app import definitions
from meterstone.catalogue import Catalogue, sql
from meterstone.errors import CatalogueError
from meterstone.facts import vocabulary
from meterstone.measure.evaluate import Evaluator
from meterstone.warehouse.duckdb import DuckDBWarehouse

PAGE = Path(__file__).parents[2] / "docs" / "metric-language.md"
TEXT = PAGE.read_text(encoding="utf-8")
AT = datetime(2026, 3, 1, tzinfo=UTC)


def blocks(info: str) -> list[str]:
    found: list[str] = re.findall(rf"^```{info}\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    return found


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    folder = tmp_path_factory.mktemp("shop")
    names = []
    for index, block in enumerate(blocks("yaml")):
        names.append(f"{index:02}.yaml")
        (folder / names[-1]).write_text(block, encoding="utf-8")
    (folder / "catalogue.yaml").write_text(f"name: shop\nfiles: {names}\n", encoding="utf-8")
    return definitions(folder)


def test_the_examples_are_one_sound_catalogue(catalogue: Catalogue) -> None:
    assert "probe_uptime" in catalogue.metrics
    assert catalogue.gates["shop_30_days"].hold.periods == 30


def test_every_key_of_the_language_has_an_example() -> None:
    shown = "\n".join(blocks("yaml"))
    keys = """
        sql rollup where time over reads materialize scopes agg quantile_of q shift window from
        terms value numerator denominator sample heartbeat empty population gates scale unknown
        censored resample shown inputs rule schedule hook at same_as min_sample note literal
        steps counted per last resample_by population_size events log_variance lower upper
        estimates measured_at
        except hold missing_day late_facts restatement maintenance
    """
    for key in keys.split():
        assert re.search(rf"\b{key}: ", shown) or re.search(rf"\b{key}:\n", shown), key


@pytest.mark.parametrize("known_at", [None, AT])
def test_the_examples_run(catalogue: Catalogue, known_at: datetime | None) -> None:
    warehouse = DuckDBWarehouse(":memory:", vocabulary())
    evaluation = Evaluator(warehouse, vocabulary(), catalogue, known_at).evaluate([AT])
    warehouse.close()
    assert {id_ for id_, _ in evaluation.columns} >= {"probe_uptime", "sales_growth", "api_mood"}
    verdicts = {v for c in evaluation.columns.values() for a in c.verdicts for v in a.flat}
    assert verdicts <= {"no_data", "insufficient_data"}


def check(folder: Path, text: str) -> str:
    path = folder / "wrong.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CatalogueError) as caught:
        definitions(path)
    return str(caught.value).replace(f"{folder}/", "") + "\n"


def test_the_errors_are_those_that_are_shown(tmp_path: Path) -> None:
    [wrong] = blocks("yaml wrong")
    first, second = blocks("text")
    assert check(tmp_path, wrong) == first
    assert check(tmp_path, wrong.replace("net_sales\n", "net_sales_usd\n")) == second


@pytest.mark.parametrize(
    ("where", "functions"),
    [
        ("anywhere", sql.SCALARS),
        ("`agg`, SQL of relations", sql.AGGREGATES),
        ("SQL of relations", sql.RELATIONAL),
    ],
)
def test_the_functions_are_those_that_are_allowed(where: str, functions: sql.Functions) -> None:
    [row] = re.findall(rf"^\| {re.escape(where)} \| (.*) \|$", TEXT, re.MULTILINE)
    assert re.findall(r"`(\w+)`", row) == sorted(functions)
