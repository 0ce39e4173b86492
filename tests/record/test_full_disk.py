"""No room for the warehouse: what is acknowledged waits in the log and is mapped later."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

from meterstone.app import Home

_FILL = """
    import json, os, resource, sys
    from pathlib import Path
    from meterstone.app import Home
    from meterstone.errors import StorageError
    from meterstone.record.model import Incoming

    free = resource.RLIM_INFINITY
    row = {"fact": "probe", "at": "2026-03-01T09:30:00Z", "component": "hub_api", "check_key": "x",
           "interval_s": 60, "ok": True, "fail_reason": "none", "maintenance": False,
           "alerting": True}

    def facts(n, count=1000):
        rows = (json.dumps({**row, "probe_id": f"{n}-{i}", "location": os.urandom(150).hex()})
                for i in range(count))
        return Incoming("\\n".join(rows).encode(), "facts_jsonl", "application/x-ndjson", "test")

    path = Path(sys.argv[1])
    with Home(path) as home:
        home.log.land(facts("before", 10))
        home.recorder.map_new()
        home.warehouse.query("SELECT 1")  # a reader that is there all along
        limit = (path / "warehouse.duckdb").stat().st_size + 1_000_000
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, free))
        refused = []
        for n in range(30):
            resource.setrlimit(resource.RLIMIT_FSIZE, (free, free))
            home.log.land(facts(n))  # the log has room
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, free))
            try:
                home.recorder.map_new()
            except StorageError as error:
                refused.append(error.as_dict())
            if len(refused) == 2:
                break
        resource.setrlimit(resource.RLIMIT_FSIZE, (free, free))
        landed = home.log.last_seq()
        home.recorder.map_new()
        print(json.dumps({
            "landed": landed,
            "refused": refused,
            "backlog": home.recorder.backlog(),
            "rows": home.warehouse.query("SELECT count(*) AS n FROM facts.probe").to_pylist(),
        }))
"""


def test_the_warehouse_goes_on_where_there_is_room_again(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_FILL), str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    said = json.loads(ran.stdout)
    assert len(said["refused"]) == 2, "the limit was never met"
    assert said["refused"][0]["place"] == str(tmp_path / "warehouse.duckdb")
    assert said["refused"][0]["mend"].startswith("free disk space")
    rows = 10 + 1000 * (said["landed"] - 1)
    assert said["backlog"] == 0
    assert said["rows"] == [{"n": rows}]
    with Home(tmp_path) as home:
        assert home.warehouse.count("probe") == rows
        home.rebuild()
        assert home.warehouse.count("probe") == rows
