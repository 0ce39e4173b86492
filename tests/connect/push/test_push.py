"""Tables published at Tableau and Power BI, through the real client, against the stand-ins."""

from __future__ import annotations

import csv
import io
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest
from tests.connect.sandboxed import Sandboxed, sandboxed

from meterstone.connect.powerbi import push as powerbi
from meterstone.connect.problems import VendorError
from meterstone.connect.push import (
    Column,
    Pushed,
    PushError,
    Table,
    publish,
    scorecard_table,
)
from meterstone.connect.push.publisher import Patience, Publisher
from meterstone.connect.spec import Request
from meterstone.connect.tableau import push as tableau
from meterstone.connect.tableau.tdsx import tdsx
from meterstone.ledger import Connection
from meterstone.sandbox.kit import Books, Vendor, make, running
from meterstone.sandbox.kit.clock import Clock
from meterstone.sandbox.kit.xml import parse_xml
from meterstone.sandbox.powerbi import workspace
from meterstone.sandbox.tableau import site

TAKES = timedelta(minutes=1)
TABLE = Table(
    "Scorecard",
    (
        Column("metric", "text"), Column("value", "number"), Column("n", "integer"),
        Column("met", "boolean"), Column("day", "day"), Column("at", "moment"),
    ),
    [
        ("uptime", 99.95, 1440, True, date(2026, 3, 1), datetime(2026, 3, 2, 8, tzinfo=UTC)),
        ('Ünit, "quoted"\nline', None, 0, False, date(2026, 3, 1), None),
    ],
)  # fmt: skip


@contextmanager
def connected(vendor: str, folder: Path) -> Iterator[tuple[Sandboxed, Vendor, Connection, str]]:
    made = make(vendor, cast(Books, None), 1)
    with running(made) as [url], sandboxed(folder) as home:
        told = made.credentials(url)
        if vendor == "tableau":
            credentials = {name: told[name] for name in ("token_name", "token_secret")}
            settings = {"site": told["site"]}
        else:
            credentials = {name: told[name] for name in ("client_id", "client_secret")}
            settings = {name: told[name] for name in ("tenant", "workspace")}
        yield home, made, home.connect(vendor, told, credentials, **settings), url


class Waits:
    """Patience whose pauses are counted, and shortened.

    Args:
        clock: of a vendor; each pause moves it by `TAKES`, and nobody sleeps.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.slept = list[float]()
        self._clock = clock

    def patience(self, most_s: float = 600) -> Patience:
        return Patience(most_s, (0.05,), self.sleep)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if self._clock is None:
            time.sleep(seconds)
        else:
            self._clock.skew += TAKES


# -- Tableau ---------------------------------------------------------------------------------------


def published_csv(home: Sandboxed, connection: Connection, id_: str) -> list[list[str]]:
    client = home.client(connection)
    path = f"/api/{{api_version}}/sites/{{site_id}}/datasources/{id_}/content"
    body = client.send(client.call(Request(path=path)), data=False).body
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        text = archive.read("Data/meterstone/scorecard.csv").decode()
    return list(csv.reader(io.StringIO(text, newline="")))


def test_tableau_has_the_table_after_a_publication(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "JOB_TAKES", TAKES)
    with connected("tableau", tmp_path) as (home, made, connection, _url):
        waits = Waits(made.clock)
        publisher = tableau.Publisher(home.client(connection), waits.patience())
        first = publisher.publish(TABLE)
        again = publisher.publish(TABLE)
        assert first.id == again.id
        assert first.job != again.job
        assert len(made.entities["datasource"]) == 1
        assert waits.slept
        header, *rows = published_csv(home, connection, first.id)
        assert header == ["metric", "value", "n", "met", "day", "at"]
        assert rows[0] == ["uptime", "99.95", "1440", "true", "2026-03-01",
                           "2026-03-02T08:00:00+00:00"]  # fmt: skip
        assert rows[1][:2] == ['Ünit, "quoted"\nline', ""]


def test_a_large_table_is_uploaded_in_parts(tmp_path: Path) -> None:
    with connected("tableau", tmp_path) as (home, _made, connection, _url):
        publisher = tableau.Publisher(
            home.client(connection), Waits().patience(), at_once=100, chunk=300
        )
        pushed = publisher.publish(TABLE)
        assert len(published_csv(home, connection, pushed.id)) == 3


def test_a_project_that_is_missing_is_said(tmp_path: Path) -> None:
    with connected("tableau", tmp_path) as (home, made, connection, _url):
        for project in made.entities["project"].select().page(0, 9):
            made.entities["project"].delete(project["id"])
        with pytest.raises(PushError, match="no project 'Meterstone'"):
            tableau.Publisher(home.client(connection)).publish(TABLE)


def test_a_job_that_never_ends_is_given_up(tmp_path: Path) -> None:
    with connected("tableau", tmp_path) as (home, _made, connection, _url):
        patience = Patience(0.0, (0.0,), lambda _s: None, iter(range(100)).__next__)
        with pytest.raises(PushError, match="is not done after"):
            tableau.Publisher(home.client(connection), patience).publish(TABLE)


def test_a_session_that_another_sign_in_ended_is_signed_in_anew(tmp_path: Path) -> None:
    with connected("tableau", tmp_path) as (home, made, connection, _url):
        client = home.client(connection)
        assert made.accounts is not None
        made.accounts.revoke_all()
        assert tableau.Publisher(client, Waits().patience()).publish(TABLE).rows == 2


def test_equal_tables_give_equal_files_that_describe_their_columns() -> None:
    assert tdsx(TABLE) == tdsx(TABLE)
    with zipfile.ZipFile(io.BytesIO(tdsx(TABLE))) as archive:
        assert archive.namelist() == ["scorecard.tds", "Data/meterstone/scorecard.csv"]
        root = parse_xml(archive.read("scorecard.tds"))
    columns = [
        (c.get("name"), c.get("datatype"), c.get("ordinal")) for c in root.iter("column")
        if c.get("ordinal")
    ]  # fmt: skip
    assert columns == [
        ("metric", "string", "0"), ("value", "real", "1"), ("n", "integer", "2"),
        ("met", "boolean", "3"), ("day", "date", "4"), ("at", "datetime", "5"),
    ]  # fmt: skip


# -- Power BI --------------------------------------------------------------------------------------


def rows_at(home: Sandboxed, connection: Connection, dataset: str) -> list[dict[str, Any]]:
    client = home.client(connection)
    path = f"/v1.0/myorg/groups/{{workspace}}/datasets/{dataset}/executeQueries"
    body = {"queries": [{"query": "EVALUATE 'Scorecard'"}]}
    told = client.send(client.call(Request(method="POST", path=path, body=body))).content
    rows: list[dict[str, Any]] = told["results"][0]["tables"][0]["rows"]
    return rows


def test_power_bi_has_the_rows_of_the_last_publication(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workspace, "REFRESH_TAKES", TAKES)
    with connected("powerbi", tmp_path) as (home, made, connection, _url):
        waits = Waits(made.clock)
        publisher = powerbi.Publisher(home.client(connection), waits.patience())
        first = publisher.publish(TABLE)
        again = publisher.publish(TABLE)
        assert first.id == again.id
        assert first.job != again.job
        assert len(made.entities["dataset"]) == 1
        assert waits.slept
        rows = rows_at(home, connection, first.id)
        assert len(rows) == 2
        assert rows[0] == {
            "Scorecard[metric]": "uptime", "Scorecard[value]": 99.95, "Scorecard[n]": 1440,
            "Scorecard[met]": True, "Scorecard[day]": "2026-03-01",
            "Scorecard[at]": "2026-03-02T08:00:00+00:00",
        }  # fmt: skip


def test_rows_go_in_as_many_requests_as_the_limit_asks_for(tmp_path: Path) -> None:
    many = Table("Scorecard", (Column("n", "integer"),), [(n,) for n in range(25)])
    with connected("powerbi", tmp_path) as (home, _made, connection, _url):
        publisher = powerbi.Publisher(home.client(connection), Waits().patience(), rows_a_post=10)
        pushed = publisher.publish(many)
        found = [row["Scorecard[n]"] for row in rows_at(home, connection, pushed.id)]
        assert found == list(range(25))


def test_a_new_column_is_made(tmp_path: Path) -> None:
    narrow = Table("Scorecard", TABLE.columns[:1], [("uptime",)])
    with connected("powerbi", tmp_path) as (home, _made, connection, _url):
        publisher = powerbi.Publisher(home.client(connection), Waits().patience())
        publisher.publish(narrow)
        pushed = publisher.publish(TABLE)
        assert rows_at(home, connection, pushed.id)[0]["Scorecard[n]"] == 1440


@pytest.mark.parametrize(
    ("columns", "rows", "said"), [(76, 1, "76 columns"), (1, 5_000_001, "5,000,001 rows")]
)
def test_a_table_beyond_the_limits_is_refused_before_anything_is_sent(
    columns: int, rows: int, said: str
) -> None:
    table = Table("T", tuple(Column(f"c{n}", "text") for n in range(columns)), Sized(rows))
    with pytest.raises(PushError, match=said):
        powerbi.Publisher(cast(Any, None)).publish(table)


class Sized(list[tuple[Any, ...]]):
    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size


def test_long_texts_are_cut() -> None:
    assert len(powerbi._value("x" * 5000)) == 4000
    assert powerbi._value("x" * 4000) == "x" * 4000


def test_a_throttled_publication_waits_as_long_as_asked(tmp_path: Path) -> None:
    with connected("powerbi", tmp_path) as (home, made, connection, url):
        fault = {"kind": "throttle", "seconds": 1, "count": 1, "paths": "datasets"}
        httpx2.post(f"{url}/_sandbox/faults", json=fault).raise_for_status()
        publisher = powerbi.Publisher(home.client(connection), Waits().patience())
        assert publisher.publish(TABLE).rows == 2
        assert made.faults.hits["throttle"] == 1


# -- facts -----------------------------------------------------------------------------------------


class Told(Publisher):
    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def publish(self, table: Table) -> Any:
        if self.error:
            raise self.error
        return Pushed("d", "j", len(table.rows))


def test_a_publication_is_a_run_outwards_and_a_report(tmp_path: Path) -> None:
    moments = iter([datetime(2026, 3, 2, 8, tzinfo=UTC), datetime(2026, 3, 2, 8, 1, tzinfo=UTC)])
    done = publish(
        Told(), TABLE, connector="tableau", connection="c1", interval_s=3600,
        due_at=datetime(2026, 3, 2, 7, 59, tzinfo=UTC), now=lambda: next(moments),
    )  # fmt: skip
    assert done.error is None
    with sandboxed(tmp_path) as home:
        for row in done.facts:
            home.hub.telemetry.add(row["fact"], {k: v for k, v in row.items() if k != "fact"})
        [run], [report] = home.facts("sync_run"), home.facts("report_run")
    assert (run["direction"], run["status"], run["records_written"]) == ("out", "success", 2)
    assert (run["integration"], run["entity"]) == ("tableau", "Scorecard")
    assert (report["report_key"], report["automated"]) == ("tableau:Scorecard", True)
    assert (report["available_at"] - report["requested_at"]).total_seconds() == 120


@pytest.mark.parametrize(
    "error", [PushError("no"), VendorError("down", kind="server")], ids=["push", "vendor"]
)
def test_a_failed_publication_is_told_too(error: Exception) -> None:
    done = publish(Told(error), TABLE, connector="powerbi", connection="c1", interval_s=60)
    assert done.error is error
    run, report = done.facts
    assert (run["status"], run["records_failed"], run["records_written"]) == ("failed", 2, 0)
    assert report["available_at"] is None


TARGET = {"cmp": ">=", "value": 99.9, "unit": "%"}
DOCUMENT = {
    "day": "2026-03-01", "scope": {"kind": "network", "key": "*"}, "labels": ["simulated"],
    "content_hash": "ab", "metrics": [
        {"id": "m", "title": "M", "value": 99.95, "unit": "%", "interval": [99.0, 100.0],
         "n": 5, "sample_unit": "slots", "evidence": "measured", "verdict": "met",
         "target": TARGET, "reason": "", "revision": 0, "places": [
             {"ref": "A.b", "target": TARGET, "verdict": "met"},
             {"ref": "C.d", "target": {**TARGET, "value": 99.99}, "verdict": "not_met"}]},
        {"id": "w", "title": "W", "value": "nationwide", "unit": "", "interval": None,
         "n": 1, "sample_unit": "", "evidence": None, "verdict": "no_data",
         "target": {"value": "nationwide"}, "reason": "none", "revision": 0, "places": []},
    ],
}  # fmt: skip


def test_a_scorecard_is_one_row_a_metric_and_place() -> None:
    table = scorecard_table([DOCUMENT])
    names = [column.name for column in table.columns]
    rows = [dict(zip(names, row, strict=True)) for row in table.rows]
    assert [(r["metric"], r["place"], r["verdict"], r["target"]) for r in rows] == [
        ("m", "A.b", "met", ">= 99.9 %"), ("m", "C.d", "not_met", ">= 99.99 %"),
        ("w", "", "no_data", "nationwide"),
    ]  # fmt: skip
    assert (rows[0]["value"], rows[0]["low"], rows[0]["label"]) == (99.95, 99.0, "simulated")
    assert (rows[2]["value"], rows[2]["value_text"]) == (None, "nationwide")
