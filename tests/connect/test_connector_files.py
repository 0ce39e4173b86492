"""Connector files: what fits is typed, what does not is named by its line."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from meterstone.connect.catalogue import checked, connectors
from meterstone.errors import CatalogueError, InputError

ACME = Path(__file__).parent / "acme.yaml"


def test_a_file_is_read_to_its_types() -> None:
    connector = checked(ACME).connector
    payments = connector.streams["payments"]
    assert payments.cursor is not None
    assert payments.cursor.look_back == timedelta(minutes=5)
    assert payments.paging.kind == "cursor"
    assert payments.changed_path == "updated_at"


@pytest.mark.parametrize(
    ("right", "wrong", "line", "told"),
    [
        ("look_back:", "lookback:", 28, "did you mean 'look_back'?"),
        ("kind: cursor", "kind: curser", 27, "did you mean 'cursor'?"),
        ("records: payments", "record: payments", 26, "did you mean 'records'?"),
        ("every: PT1H", "every: 1h", 23, "write a duration such as PT5M"),
        ("fact: payment", "fact: payments", 35, "did you mean 'payment'?"),
        ("gross:", "gros:", 39, "did you mean 'gross'?"),
        ("COMPLETED: completed", "COMPLETED: complet", 49, "did you mean 'completed'?"),
        ("as: instant}", "as: instan}", 38, "did you mean 'instant'?"),
        ("from: status", "form: status", 49, "unknown key 'form'"),
        ("key: id", "key: 'a..b'", 29, "is no path"),
        ("kind: api_key", "kind: api_kee", 10, "did you mean 'api_key'?"),
        ("base_url: https", "base_url: http", 6, "base_url must be https"),
        ("fetch: data.id", "fetches: data.id", 56, "unknown key 'fetches'"),
        ("sort: UPDATED_AT", 'sort: "{sor}"', 25, "{sor} has no value here"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_its_line(
    tmp_path: Path, right: str, wrong: str, line: int, told: str
) -> None:
    file = tmp_path / "connector.yaml"
    text = ACME.read_text()
    assert right in text
    file.write_text(text.replace(right, wrong, 1))
    with pytest.raises(CatalogueError) as raised:
        checked(file)
    assert told in str(raised.value)
    assert f"{file}:{line}" in str(raised.value)


def test_a_home_has_connectors_of_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "connectors" / "acme"
    folder.mkdir(parents=True)
    (folder / "connector.yaml").write_text(ACME.read_text())
    assert connectors(tmp_path)["acme"].name == "Acme POS"
    with pytest.raises(InputError, match="did you mean 'acme'"):
        connectors(tmp_path)["acne"]


def test_code_of_a_home_is_not_run(tmp_path: Path) -> None:
    file = tmp_path / "connector.yaml"
    file.write_text(ACME.read_text().replace("{from: status,", "{python: status_of,"))
    with pytest.raises(CatalogueError, match="code is run only of connectors that ship"):
        checked(file)
