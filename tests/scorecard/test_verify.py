"""Verification: every alteration is found, and each is named by its part."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterstone.errors import InputError, StorageError, VerificationFailed
from meterstone.measure.results import Scope
from meterstone.scorecard import SigningKey, content_hash, read, signing_key, trusted_keys
from meterstone.scorecard.canonical import canonical
from meterstone.scorecard.sign import encode, sign, trust
from meterstone.scorecard.verify import Request, verify_document, verify_with

from .conftest import AT, KNOWN, WINDOW, build_card, gate, measurement, network_card, uptime

KEY = SigningKey.generate()
OTHER = SigningKey.generate()
TRUSTED = {KEY.key_id: KEY.public}
BOTH = {OTHER.key_id: OTHER.public, **TRUSTED}
FORMER = network_card(gate(run=30))
SIGNED = sign(network_card(gate(), maintenance=[WINDOW], former=FORMER), KEY)
PUBLISHED = canonical(SIGNED)
SMALL = canonical(sign(build_card(measurement(uptime(places=(), parts={}, value=1e-7))), KEY))


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every leaf; an empty object or list is one."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, inner in pairs:
        nested = isinstance(inner, dict | list) and inner
        found += leaves(inner, (*path, key)) if nested else [(*path, key)]
    return found


def altered(path: tuple[Any, ...], change: Any) -> dict[str, Any]:
    document: Any = json.loads(PUBLISHED)
    inner = document
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = change(inner[path[-1]])
    return document


LEAVES = leaves(SIGNED)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)


def parts(verification):
    return [finding.part for finding in verification.findings]


def outcome(document: Any) -> str:
    """What a person is told; a malformed document always with place and mend."""
    try:
        checked = verify_document(document, BOTH)
    except InputError as error:
        return "malformed" if error.place and error.mend else "malformed, and not said where"
    return f"{checked.outcome}{', laid out anew' if checked.exact is False else ''}".replace(
        "altered, laid out anew", "altered"
    )


def test_a_round_trip_holds():
    for document in (PUBLISHED, SIGNED, read(SIGNED)):
        checked = verify_document(document, TRUSTED)
        assert checked.outcome == "valid"
        assert checked.holds
        assert checked.findings == ()
        assert checked.content_hash == SIGNED["content_hash"]
        assert checked.key_id == KEY.key_id
        checked.require()
    assert verify_document(PUBLISHED, TRUSTED).exact
    assert verify_document(SIGNED, TRUSTED).exact is None


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(LEAVES),
    st.none() | st.booleans() | NUMBERS | st.text(max_size=20),
)
def test_altering_any_leaf_is_found(path, value):
    document = altered(path, lambda _: value)
    before = altered(path, lambda old: old)
    if json.dumps(document, sort_keys=True) == json.dumps(before, sort_keys=True):
        return
    # 5 and 5.0, or -0.0 and 0, are one number (though a count written 0.0 is refused); some
    # integers are no 64-bit number at all.
    same = _canonical(document) == PUBLISHED
    assert outcome(document) in ({"valid", "malformed"} if same else {"altered", "malformed"})


def _canonical(document: dict[str, Any]) -> bytes | None:
    try:
        return canonical(document)
    except InputError:
        return None


@pytest.mark.parametrize("path", LEAVES, ids=lambda path: ".".join(map(str, path)))
def test_a_small_change_of_every_single_leaf_is_altered(path):
    def change(old: Any) -> Any:
        if isinstance(old, bool) or old is None:
            return not old
        if isinstance(old, int | float):
            return old + 1
        if isinstance(old, dict):
            return old | {"x": 1}
        return [*old, 1] if isinstance(old, list) else old[:-1] + chr(ord(old[-1:] or "a") ^ 1)

    checked = verify_document(altered(path, change), BOTH)
    assert checked.outcome == "altered"
    assert not checked.holds


@pytest.mark.parametrize("name", SIGNED)
def test_leaving_out_any_member_is_found(name):
    document = {key: value for key, value in SIGNED.items() if key != name}
    assert verify_document(document, TRUSTED).outcome == "altered"


def test_one_more_member_is_found():
    checked = verify_document(SIGNED | {"note": "all is well"}, TRUSTED)
    assert checked.outcome == "altered"
    assert parts(checked) == ["hash", "signature", "schema"]


def _single_bytes(data: bytes, flip: int):
    for index in range(len(data)):
        yield data[:index] + bytes([data[index] ^ flip]) + data[index + 1 :]


@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80])
def test_every_altered_byte_is_found(flip):
    """0x20 turns e into E and a into A: the same number, another text, so never exact."""
    assert {outcome(data) for data in _single_bytes(SMALL, flip)} <= {
        "altered",
        "malformed",
        "valid, laid out anew",
    }


def test_a_content_that_was_changed_says_which_hash():
    checked = verify_document(altered(("metrics", 0, "value"), lambda _: 99.99), TRUSTED)
    assert parts(checked) == ["hash", "signature"]
    assert SIGNED["content_hash"][:12] in checked.sentence
    assert "not what was signed" in checked.sentence
    with pytest.raises(VerificationFailed) as raised:
        checked.require("scorecard.json")
    assert raised.value.exit_code == 1
    assert raised.value.place == "scorecard.json"
    assert raised.value.mend


def test_content_and_hash_changed_together_break_the_signature():
    document = altered(("metrics", 0, "value"), lambda _: 99.99)
    document["content_hash"] = content_hash(document)
    checked = verify_document(document, TRUSTED)
    assert checked.outcome == "altered"
    assert parts(checked) == ["signature"]


def test_a_changed_hash_alone_leaves_the_signature():
    checked = verify_document(SIGNED | {"content_hash": "0" * 64}, TRUSTED)
    assert checked.outcome == "altered"
    assert parts(checked) == ["hash"]


@pytest.mark.parametrize(
    "signature",
    [
        None,
        "x",
        SIGNED["signature"] | {"algorithm": "none"},
        SIGNED["signature"] | {"value": "AA"},
        SIGNED["signature"] | {"value": SIGNED["signature"]["value"] + "\n"},
        SIGNED["signature"] | {"public_key": "mine"},
    ],
)
def test_a_signature_of_another_form_is_altered(signature):
    checked = verify_document(SIGNED | {"signature": signature}, TRUSTED)
    assert checked.outcome == "altered"
    assert "signature" in parts(checked)


def test_a_second_spelling_of_the_same_signature_is_refused():
    value = SIGNED["signature"]["value"]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twin = value[:-1] + alphabet[alphabet.index(value[-1]) ^ 1]
    checked = verify_document(
        SIGNED | {"signature": SIGNED["signature"] | {"value": twin}}, TRUSTED
    )
    assert checked.outcome == "altered"


def test_a_key_that_nobody_trusts():
    checked = verify_document(SIGNED, {OTHER.key_id: OTHER.public})
    assert checked.outcome == "unknown_key"
    assert parts(checked) == ["key"]
    assert KEY.key_id in checked.sentence
    with pytest.raises(VerificationFailed, match="Nobody trusted"):
        checked.require()


def test_a_forger_that_signs_with_an_own_key_is_unknown_or_altered():
    forged = sign(altered(("metrics", 0, "value"), lambda _: 100.0), OTHER)
    assert verify_document(forged, TRUSTED).outcome == "unknown_key"
    forged["signature"]["key_id"] = KEY.key_id
    assert verify_document(forged, TRUSTED).outcome == "altered"


def test_a_genuine_scorecard_that_names_another_key_is_altered():
    for named in (OTHER.key_id, "0" * 16):
        signature = SIGNED["signature"] | {"key_id": named}
        checked = verify_document(SIGNED | {"signature": signature}, BOTH)
        assert checked.outcome == "altered"
        assert f"key {KEY.key_id} signed it" in checked.sentence


def test_rotation_keeps_what_the_former_key_signed(tmp_path):
    first = signing_key(tmp_path)
    old = sign(build_card(), first)
    (tmp_path / "keys" / "scorecard.key").rename(tmp_path / "retired.key")
    second = signing_key(tmp_path)
    new = sign(build_card(), second)
    assert first.key_id != second.key_id
    keys = trusted_keys(tmp_path)
    assert verify_document(old, keys).holds
    assert verify_document(new, keys).holds
    (tmp_path / "keys" / "trusted" / f"{first.key_id}.pub").unlink()
    assert verify_document(old, trusted_keys(tmp_path)).outcome == "unknown_key"


def test_a_partner_is_trusted_by_a_file(tmp_path):
    trust(tmp_path, KEY.public).rename(tmp_path / "keys" / "trusted" / "head office.pub")
    assert verify_document(PUBLISHED, trusted_keys(tmp_path)).holds


def test_another_layout_is_valid_and_said():
    checked = verify_document(json.dumps(SIGNED, indent=2).encode(), TRUSTED)
    assert checked.outcome == "valid"
    assert checked.exact is False
    assert "laid out anew" in checked.sentence


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b'{"value": 1}'])
def test_what_is_no_scorecard_is_an_input_error(data):
    with pytest.raises(InputError) as raised:
        verify_document(data, TRUSTED)
    assert raised.value.place
    assert raised.value.mend


def test_an_unknown_document_cannot_write_to_the_terminal():
    hostile = SIGNED | {"\x1b[2Jvalid": 1, "content_hash": "\x1b[2J" + "0" * 60}
    sentence = verify_document(hostile, TRUSTED).sentence
    assert sentence.isprintable()
    assert "states no SHA-256" in sentence


def test_what_is_no_json_is_an_input_error():
    with pytest.raises(InputError, match="not a JSON document"):
        verify_document({"schema": object()}, TRUSTED)


def test_a_content_without_a_canonical_form_is_altered():
    data = PUBLISHED.replace(b'"simulated"', b'"\\ud800"')
    checked = verify_document(data, TRUSTED)
    assert checked.outcome == "altered"
    assert checked.content_hash is None
    assert checked.exact is False
    assert parts(checked)[0] == "content"
    unknown = verify_document(data, {})
    assert unknown.outcome == "altered"


def _signed_by_hand(document: dict[str, Any]) -> dict[str, Any]:
    """As a later version would sign a form that this one does not know."""
    signature = {
        "algorithm": "Ed25519",
        "key_id": KEY.key_id,
        "value": encode(KEY.sign(canonical(document))),
    }
    return document | {"content_hash": content_hash(document), "signature": signature}


def test_a_genuine_scorecard_of_a_later_form_is_not_called_altered():
    later = build_card().as_dict() | {"schema": {"name": "meterstone.scorecard", "version": 2}}
    with pytest.raises(InputError) as raised:
        verify_document(_signed_by_hand(later), TRUSTED)
    assert raised.value.place == "$.schema.version"
    assert "'version': 2" in raised.value.mend


def test_a_broken_form_of_an_unknown_key_is_told():
    later = build_card().as_dict() | {"schema": {"name": "meterstone.scorecard", "version": 2}}
    checked = verify_document(_signed_by_hand(later), {})
    assert checked.outcome == "unknown_key"
    assert parts(checked) == ["key", "schema"]


# -- recomputation ---------------------------------------------------------------------------------


def test_a_recomputation_that_is_equal():
    asked: list[Request] = []

    def recompute(request: Request) -> dict[str, Any]:
        asked.append(request)
        return network_card(gate(), maintenance=[WINDOW]).as_dict()  # knows no former revision

    checked = verify_document(PUBLISHED, TRUSTED, recompute)
    assert checked.recomputed is not None
    assert checked.recomputed.outcome == "equal"
    assert checked.holds
    assert "equal byte for byte" in checked.sentence
    [request] = asked
    assert request == Request(Scope("network"), AT.date(), "UTC", AT, KNOWN)


def test_a_recomputation_that_differs_names_the_first_paths():
    wrong = network_card(gate(), metrics=(uptime(scope=Scope("network"), value=99.71, n=1452),))
    checked = verify_document(SIGNED, TRUSTED, lambda _: wrong.as_dict())
    again = checked.recomputed
    assert again is not None
    assert again.outcome == "differs"
    assert checked.outcome == "valid"
    assert not checked.holds
    assert len(again.differences) == 5
    assert again.differences[0].startswith("$.maintenance[0] is ")
    assert "differs" in checked.sentence
    with pytest.raises(VerificationFailed, match="differs"):
        checked.require()


def test_a_recomputation_names_the_metric():
    card = build_card()
    wrong = build_card(measurement(uptime(value=99.71), *measurement().metrics[1:]))
    again = verify_with(card, lambda _: wrong.as_dict())
    assert again.differences == (
        "$.metrics[1].value (integration_uptime) is 99.95 published and 99.71 recomputed",
    )


def test_a_recomputation_that_is_not_possible_says_why():
    def lost(_: Request) -> dict[str, Any]:
        raise StorageError("the landing log of that day is gone", place="landing.sqlite")

    again = verify_with(build_card(), lost)
    assert again.outcome == "not possible"
    assert again.sentence == (
        "It could not be computed again: landing.sqlite: the landing log of that day is gone."
    )
    checked = verify_document(SIGNED, TRUSTED, lost)
    assert checked.outcome == "valid"
    assert not checked.holds


def test_a_recomputation_of_what_is_no_scorecard_is_not_possible():
    again = verify_with({"schema": 1}, lambda _: {})
    assert again.outcome == "not possible"

    def nameless(_: Request) -> dict[str, Any]:
        raise StorageError("no space")

    assert verify_with(build_card(), nameless).reason == "no space"


def test_the_json_of_a_verification():
    checked = verify_document(SIGNED, {}, lambda _: {"schema": {}})
    shown = json.loads(json.dumps(checked.as_dict()))
    assert shown["outcome"] == "unknown_key"
    assert shown["holds"] is False
    assert shown["findings"][0]["part"] == "key"
    assert shown["recomputed"]["outcome"] == "differs"
    assert verify_document(SIGNED, TRUSTED).as_dict()["recomputed"] is None
