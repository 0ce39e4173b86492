"""The packaged JSON Schema says the same as the model."""

import copy
import json

import jsonschema
import pytest

from meterstone.scorecard.schema import schema, text_of_model
from meterstone.scorecard.sign import sign

from .conftest import WINDOW, build_card, gate, measurement, network_card, uptime

VALIDATOR = jsonschema.Draft202012Validator(schema())


def test_the_schema_is_of_the_2020_12_dialect_and_as_the_model_is():
    jsonschema.Draft202012Validator.check_schema(schema())
    assert schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema() == json.loads(text_of_model()), "write it again: see docs/scorecard.md"


def test_a_caller_cannot_change_the_packaged_schema():
    schema().clear()
    assert schema()


def test_built_documents_are_accepted(key, signed):
    VALIDATOR.validate(signed)
    VALIDATOR.validate(build_card().as_dict())
    card = build_card(measurement(uptime(value="healthy", unit="state", interval=None)))
    VALIDATOR.validate(sign(card, key))
    changed = build_card(measurement(uptime(value=None, verdict="no_data")), former=card)
    VALIDATOR.validate(sign(changed, key))
    VALIDATOR.validate(network_card(gate(run=0), former=network_card(gate())).as_dict())


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ((), {"note": 1}),
        (("metrics", 0), {"note": 1}),
        (("gates", 0), {"note": 1}),
        (("signature",), {"public_key": "mine"}),
        (("metrics", 0), {"verdict": "fine"}),
        (("metrics", 0), {"interval": [1]}),
        (("metrics", 0), {"n": -1}),
        (("metrics", 0), {"evidence": "guessed"}),
        (("gates", 0), {"since": "yesterday"}),
        (("maintenance", 0), {"from": "soon"}),
        ((), {"day": "2 March"}),
        ((), {"at": "2026-03-02T08:00:00+01:00"}),
        ((), {"labels": ["nice"]}),
        ((), {"supersedes": "abc"}),
        ((), {"schema": {"name": "meterstone.scorecard", "version": 2}}),
    ],
)
def test_wrong_documents_are_refused(signed, path, value):
    document = copy.deepcopy(signed)
    inner = document
    for key in path:
        inner = inner[key]
    inner.update(value)
    assert not VALIDATOR.is_valid(document)


@pytest.mark.parametrize("name", ["metrics", "gates", "summary", "input", "schema", "known_at"])
def test_documents_that_lack_a_member_are_refused(signed, name):
    del signed[name]
    assert not VALIDATOR.is_valid(signed)
    assert WINDOW
