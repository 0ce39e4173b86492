"""OpenSLO v1 in and out; what cannot be done as it is written is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.detect.scenes import DEFAULT, written
from typer.testing import CliRunner

from meterstone.cli import app
from meterstone.detect.openslo import read, write
from meterstone.detect.slo import load
from meterstone.errors import InputError

FOREIGN = """
apiVersion: openslo/v1
kind: SLI
metadata: {name: pos-calls}
spec:
  ratioMetric:
    counter: true
    bad:
      metricSource:
        type: meterstone
        spec: {value: "CASE WHEN outcome = 'error' THEN count ELSE 0 END"}
    total: {metricSource: {type: meterstone, spec: {fact: api_request, total: count}}}
---
apiVersion: openslo/v1
kind: AlertCondition
metadata: {name: fast}
spec:
  severity: page
  condition: {kind: burnrate, threshold: 14.4, lookbackWindow: 1h, alertAfter: 5m}
---
apiVersion: openslo/v1
kind: AlertPolicy
metadata: {name: fast-policy}
spec:
  conditions: [{conditionRef: fast}]
  notificationTargets: []
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: pos-answers, displayName: POS answers}
spec:
  description: Orders wait when it does not.
  service: pos
  indicatorRef: pos-calls
  timeWindow: [{duration: 4w, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.995}, {targetPercent: 99.9}]
  alertPolicies: [{alertPolicyRef: fast-policy}]
"""


def slos(path: Path) -> list[Any]:
    return [(s.raw.title, s.objective, s.period, s.paces, s.raw.says) for s in load(path).slos]


def test_what_is_exported_is_read_again_as_it_was(tmp_path: Path) -> None:
    text = write(DEFAULT)
    imported = read(text, "objectives.yaml")
    content = {"counters": imported.counters, "slos": imported.slos}
    path = written(tmp_path, yaml.safe_dump(content))
    found = load(path)
    assert [s.id for s in found.slos] == [s.id for s in DEFAULT.slos]
    for before, after in zip(DEFAULT.slos, found.slos, strict=True):
        assert after.objective == pytest.approx(before.objective)
        assert [p.share for p in after.paces] == pytest.approx([p.share for p in before.paces])
        assert after.raw.says == before.raw.says
        assert found.counters[after.counter] == DEFAULT.counters[before.counter]
    assert imported.notes == []
    assert write(found) == text


def test_an_export_keeps_to_the_standard() -> None:
    documents = list(yaml.safe_load_all(write(DEFAULT, ["calls_succeed"])))
    assert [each["kind"] for each in documents] == ["AlertNotificationTarget", "SLO"]
    spec = documents[1]["spec"]
    assert documents[1]["metadata"]["name"] == "calls-succeed", "as RFC 1123 wants it"
    assert spec["timeWindow"] == [{"duration": "30d", "isRolling": True}]
    thresholds = []
    for policy in spec["alertPolicies"]:
        [condition] = policy["spec"]["conditions"]
        thresholds.append(condition["spec"]["condition"]["threshold"])
        assert policy["spec"]["notificationTargets"] == [{"targetRef": "meterstone-routes"}]
    assert thresholds == [14.4, 6.0, 3.0, 1.0]


def test_a_file_of_another_tool_with_named_parts(tmp_path: Path) -> None:
    imported = read(FOREIGN, "pos.yaml")
    content = {"counters": imported.counters, "slos": imported.slos}
    first, second = load(written(tmp_path, yaml.safe_dump(content))).slos
    assert (first.id, second.id) == ("pos_answers_1", "pos_answers_2")
    assert (first.objective, second.objective) == pytest.approx((0.995, 0.999))
    assert first.period.days == 28
    [pace] = first.paces
    assert pace.factor(first.period) == pytest.approx(14.4)
    assert pace.severity == "sev1"
    assert first.raw.says.means == "Orders wait when it does not."
    assert "instead of alertAfter 5m" in imported.notes[0]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("openslo/v1", "openslo/v2alpha", "version 'openslo/v2alpha'"),
        ("Occurrences", "Timeslices", "budgetingMethod Timeslices"),
        ("isRolling: true", "isRolling: false", "calendar-aligned"),
        ("type: meterstone", "type: prometheus", "metric source of type prometheus"),
        ("4w", "soon", "'soon' is no duration"),
        ("severity: page", "severity: loud", "severity 'loud'"),
        ("kind: burnrate", "kind: other", "condition of kind other"),
        ("indicatorRef: pos-calls", "indicatorRef: gone", "no SLI 'gone'"),
        ("{target: 0.995}", "{}", "`target` or `targetPercent`"),
        ("fact: api_request", "fakt: api_request", "a source cannot be read"),
        ("budgetingMethod: Occurrences", "", "missing required field"),
        ("kind: SLO", "kind: Service", "no document is an SLO"),
        ("counter: true", "counter: [", "this is no YAML"),
        ("ratioMetric:", "thresholdMetric:", "metricSource"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_as_written_is_refused(before: str, after: str, said: str) -> None:
    assert before in FOREIGN
    with pytest.raises(InputError, match=r"pos\.yaml") as caught:
        read(FOREIGN.replace(before, after), "pos.yaml")
    assert said in str(caught.value)


def test_a_metric_of_the_catalogue_as_a_raw_ratio(tmp_path: Path) -> None:
    raw = "{rawType: success, raw: {metricSource: {type: meterstone, spec: {metric: up}}}}"
    text = f"""
apiVersion: openslo/v1
kind: SLO
metadata: {{name: up}}
spec:
  indicator: {{metadata: {{name: i}}, spec: {{ratioMetric: {raw}}}}}
  budgetingMethod: Occurrences
  objectives: [{{target: 0.9}}]
"""
    imported = read(text, "up.yaml")
    assert imported.slos[0]["metric"] == "up"
    path = written(tmp_path, yaml.safe_dump({"slos": imported.slos}))
    assert "metric: up" in write(load(path))
    with pytest.raises(InputError, match="raw ratio"):
        read(text.replace("success", "failure"), "up.yaml")


def test_commands(tmp_path: Path) -> None:
    run = CliRunner()
    home = ["--home", str(tmp_path / "home")]
    file = tmp_path / "pos.yaml"
    file.write_text(FOREIGN, encoding="utf-8")
    done = run.invoke(app, ["slo", "import", str(file), "--json", *home], catch_exceptions=False)
    assert json.loads(done.stdout)["imported"] == ["pos_answers_1", "pos_answers_2"]
    told = run.invoke(app, ["slo", "export", "--slo", "pos_answers_2", *home])
    assert "targetPercent: 99.9" in told.stdout
    again = run.invoke(app, ["slo", "import", str(file), *home], catch_exceptions=False)
    assert again.stdout.startswith("Imported: pos_answers_1, pos_answers_2\n")
    assert (tmp_path / "home" / "alerts.yaml.before").exists()
    names = [slo.id for slo in load(tmp_path / "home" / "alerts.yaml").slos]
    assert len(names) == len(set(names))
    with pytest.raises(InputError, match="no objective"):
        run.invoke(app, ["slo", "export", "--slo", "x", *home], catch_exceptions=False)
    with pytest.raises(InputError, match="cannot be read"):
        run.invoke(app, ["slo", "import", "nowhere.yaml", *home], catch_exceptions=False)


def test_a_wrong_import_leaves_everything_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "pos.yaml"
    file.write_text(FOREIGN.replace("outcome =", "outkome ="), encoding="utf-8")
    with pytest.raises(InputError, match="outkome"):
        CliRunner().invoke(
            app, ["slo", "import", str(file), "--home", str(tmp_path)], catch_exceptions=False
        )
    assert not (tmp_path / "alerts.yaml").exists()
