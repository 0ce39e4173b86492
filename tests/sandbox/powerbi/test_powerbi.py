"""Power BI's stand-in: answers validate against Microsoft's Swagger; limits, refreshes, sign-in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, cast

import httpx2
import jsonschema
import pytest
from tests.sandbox.vendors import spec

from meterstone.sandbox.kit import Books, Clock, Vendor, running
from meterstone.sandbox.powerbi import vendor
from meterstone.sandbox.powerbi.workspace import PowerBiError, Workspace

COLUMNS = [
    {"name": "metric", "dataType": "String"}, {"name": "value", "dataType": "Double"},
    {"name": "n", "dataType": "Int64"}, {"name": "met", "dataType": "Boolean"},
    {"name": "at", "dataType": "DateTime"},
]  # fmt: skip
DATASET = {
    "name": "Scorecard", "defaultMode": "Push", "tables": [{"name": "T", "columns": COLUMNS}],
}  # fmt: skip
ROW = {"metric": "uptime", "value": 99.95, "n": 3, "met": True, "at": "2026-03-01T00:00:00Z"}


@cache
def definitions() -> dict[str, Any]:
    """Definitions of the Swagger, in which an object takes no unknown property."""
    found: dict[str, Any] = spec("powerbi.json")["definitions"]
    return found


def properties(name: str) -> set[str]:
    """All properties of a definition, those of its parts included."""
    of = definitions()[name]
    found = set(of.get("properties", {}))
    for part in of.get("allOf", []):
        found |= set(part.get("properties", {}))
        if "$ref" in part:
            found |= properties(part["$ref"].rpartition("/")[2])
    return found


def validate(value: Any, name: str, *more: str) -> None:
    """Hold a value against a definition; ``more`` are properties that it does not name."""
    schema = {"$ref": f"#/definitions/{name}", "definitions": definitions()}
    jsonschema.Draft4Validator(schema).validate(value)
    assert set(value) <= properties(name) | set(more)


class Served:
    def __init__(self, made: Vendor, url: str) -> None:
        self.vendor, self.url, self.told = made, url, made.credentials(url)
        self.http = httpx2.Client(
            base_url=f"{url}/v1.0/myorg/groups/{self.told['workspace']}",
            headers={"authorization": f"Bearer {self.told['token']}"},
        )

    def dataset(self, **query: str) -> str:
        made = self.http.post("/datasets", json=DATASET, params=query)
        assert made.status_code == 201
        return str(made.json()["id"])


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Vendor, str]]:
    made = vendor(cast(Books, None), 1)
    with running(made) as [url]:
        yield made, url


@pytest.fixture
def served(server: tuple[Vendor, str]) -> Iterator[Served]:
    held = Served(*server)
    with held.http:
        yield held


def test_answers_validate_against_the_swagger(served: Served) -> None:
    groups = served.http.get("../../groups", params={"$top": 1}).json()
    validate(groups, "Groups", "@odata.context")
    validate(groups["value"][0], "Group")
    made = served.http.post("/datasets", json=DATASET).json()
    # the answer of a push dataset names its policy; the Swagger does not
    validate(made, "Dataset", "defaultRetentionPolicy", *_CAMEL)
    listed = served.http.get("/datasets").json()
    validate(listed, "Datasets", "@odata.context")
    for dataset in listed["value"]:
        validate(dataset, "Dataset", *_CAMEL)
    tables = served.http.get(f"/datasets/{made['id']}/tables").json()
    validate(tables, "Tables", "@odata.context")
    table = served.http.put(f"/datasets/{made['id']}/tables/T", json=DATASET["tables"][0]).json()
    validate(table, "Table")
    served.http.post(f"/datasets/{made['id']}/refreshes")
    refreshes = served.http.get(f"/datasets/{made['id']}/refreshes").json()
    validate(refreshes, "Refreshes", "@odata.context")
    validate(refreshes["value"][0], "Refresh")
    query = {"queries": [{"query": "EVALUATE 'T'"}]}
    told = served.http.post(f"/datasets/{made['id']}/executeQueries", json=query).json()
    validate(told, "DatasetExecuteQueriesResponse")


_CAMEL = ("createdDate",)


def test_every_route_is_one_of_the_swagger(served: Served) -> None:
    paths = spec("powerbi.json")["paths"]
    known = {
        (method.upper(), path.replace("groupId", "group").replace("Id}", "}"))
        for path, operations in paths.items()
        for method in operations
    }
    ours = {
        (method, route.path.replace("{table}", "{tableName}"))
        for route in cast(Any, served.vendor.routes)
        if route.path.startswith("/v1.0")
        for method in route.methods - {"HEAD"}
    }
    assert ours
    assert ours <= known


def test_rows_are_kept_as_they_came_and_deleted(served: Served) -> None:
    id_ = served.dataset()
    rows = f"/datasets/{id_}/tables/T/rows"
    answer = served.http.post(rows, json={"rows": [ROW, {"metric": "none"}]})
    assert (answer.status_code, answer.content) == (200, b"")
    query = {"queries": [{"query": "EVALUATE 'T'"}]}
    path = f"/datasets/{id_}/executeQueries"
    found = served.http.post(path, json=query).json()["results"][0]["tables"][0]["rows"]
    assert [row["T[metric]"] for row in found] == ["uptime", "none"]
    assert served.http.delete(rows).status_code == 200
    found = served.http.post(path, json=query).json()["results"][0]["tables"][0]["rows"]
    assert found == []


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"other": 1}, "no column 'other'"),
        ({"n": 1.5}, "'n' is no int64"),
        ({"n": True}, "'n' is no int64"),
        ({"value": "x"}, "'value' is no double"),
        ({"met": 1}, "'met' is no boolean"),
        ({"at": "yesterday"}, "'at' is no datetime"),
        ({"metric": "x" * 4001}, "more than 4000 characters"),
        ("x", "A row is an object"),
    ],
)
def test_a_row_that_does_not_fit_refuses_all(served: Served, row: Any, said: str) -> None:
    id_ = served.dataset()
    answer = served.http.post(f"/datasets/{id_}/tables/T/rows", json={"rows": [ROW, row]})
    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]
    assert served.vendor.entities["dataset"].get(id_)


def test_more_rows_than_a_request_takes_are_413(served: Served) -> None:
    rows = {"rows": [{"n": n} for n in range(10_001)]}
    answer = served.http.post(f"/datasets/{served.dataset()}/tables/T/rows", json=rows)
    assert answer.status_code == 413


def test_a_refresh_is_taken_runs_and_is_in_the_history(served: Served) -> None:
    path = f"/datasets/{served.dataset()}/refreshes"
    plain = served.http.post(path, json={"notifyOption": "NoNotification"})
    assert plain.status_code == 202
    assert "x-ms-request-id" not in plain.headers
    enhanced = served.http.post(path, json={"type": "Full"})
    id_ = enhanced.headers["x-ms-request-id"]
    assert enhanced.headers["location"].endswith(f"/refreshes/{id_}")
    running_ = served.http.get(path, params={"$top": 1}).json()["value"][0]
    assert (running_["requestId"], running_["status"]) == (id_, "Unknown")
    assert "endTime" not in running_
    assert served.http.get(f"{path}/{id_}").status_code == 202


class Moving:
    def __init__(self) -> None:
        self.at = datetime(2026, 10, 1, tzinfo=UTC)
        self.workspace = Workspace("g", Clock(lambda: self.at))

    def made(self, *, fifo: bool = False) -> str:
        return str(self.workspace.create(DATASET, fifo=fifo)["id"])


def test_the_121st_post_of_a_minute_is_429_until_the_minute_is_over() -> None:
    scene = Moving()
    id_ = scene.made()
    for _ in range(120):
        scene.workspace.add_rows(id_, "T", [])
    scene.at += timedelta(seconds=20)
    with pytest.raises(PowerBiError) as refused:
        scene.workspace.add_rows(id_, "T", [])
    assert (refused.value.status, refused.value.retry_after_s) == (429, 40.0)
    scene.at += timedelta(seconds=40)
    scene.workspace.add_rows(id_, "T", [])


def test_a_million_rows_an_hour_are_the_most() -> None:
    scene = Moving()
    id_, rows = scene.made(), [{"n": 1}] * 10_000
    for _ in range(100):
        scene.workspace.add_rows(id_, "T", rows)
    scene.at += timedelta(minutes=30)
    with pytest.raises(PowerBiError) as refused:
        scene.workspace.add_rows(id_, "T", rows)
    assert (refused.value.status, refused.value.retry_after_s) == (429, 1800.0)


def test_first_in_first_out_keeps_the_newest_rows() -> None:
    scene = Moving()
    id_ = scene.made(fifo=True)
    for start in range(0, 210_000, 10_000):
        scene.workspace.add_rows(id_, "T", [{"n": n} for n in range(start, start + 10_000)])
        scene.at += timedelta(minutes=5)
    kept = scene.workspace.table(id_, "T").rows
    assert (len(kept), kept[0], kept[-1]) == (200_000, {"n": 10_000}, {"n": 209_999})


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"client_secret": "wrong"}, 401, 7000215),
        ({"client_id": "nobody"}, 400, 700016),
        ({"scope": "Dataset.ReadWrite.All"}, 400, 1002012),
        ({"grant_type": "password"}, 400, 70003),
    ],
)
def test_entra_refuses_in_its_own_words(
    served: Served, change: dict[str, str], status: int, code: int
) -> None:
    form = {
        "grant_type": "client_credentials", "client_id": served.told["client_id"],
        "client_secret": served.told["client_secret"],
        "scope": "https://analysis.windows.net/powerbi/api/.default",
    }  # fmt: skip
    url = f"{served.url}/{served.told['tenant']}/oauth2/v2.0/token"
    good = httpx2.post(url, data=form)
    assert good.json()["token_type"] == "Bearer"  # noqa: S105
    refused = httpx2.post(url, data=form | change)
    assert (refused.status_code, refused.json()["error_codes"]) == (status, [code])


def test_without_a_good_token_and_elsewhere_there_is_nothing(served: Served) -> None:
    assert served.http.get("/datasets", headers={"authorization": "Bearer x"}).status_code == 401
    assert served.http.get("../other/datasets").status_code == 404
    assert served.http.get("/datasets/none").status_code == 404
    missing = served.http.post(f"/datasets/{served.dataset()}/tables/none/rows", json={"rows": []})
    assert missing.json()["error"]["code"] == "TableNotFound"
