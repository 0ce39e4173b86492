"""Canonical JSON against the published examples of RFC 8785, and the strict reader."""

import json
import struct
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterstone.errors import FormatError, InputError
from meterstone.scorecard.canonical import canonical, content_hash, parse

# RFC 8785, appendix B: the bits of a double and its text.
NUMBERS = [
    ("0000000000000000", "0"),
    ("8000000000000000", "0"),
    ("0000000000000001", "5e-324"),
    ("8000000000000001", "-5e-324"),
    ("7fefffffffffffff", "1.7976931348623157e+308"),
    ("ffefffffffffffff", "-1.7976931348623157e+308"),
    ("4340000000000000", "9007199254740992"),
    ("c340000000000000", "-9007199254740992"),
    ("4430000000000000", "295147905179352830000"),
    ("44b52d02c7e14af5", "9.999999999999997e+22"),
    ("44b52d02c7e14af6", "1e+23"),
    ("44b52d02c7e14af7", "1.0000000000000001e+23"),
    ("444b1ae4d6e2ef4e", "999999999999999700000"),
    ("444b1ae4d6e2ef4f", "999999999999999900000"),
    ("444b1ae4d6e2ef50", "1e+21"),
    ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
    ("3eb0c6f7a0b5ed8d", "0.000001"),
    ("41b3de4355555553", "333333333.3333332"),
    ("41b3de4355555554", "333333333.33333325"),
    ("41b3de4355555555", "333333333.3333333"),
    ("41b3de4355555556", "333333333.3333334"),
    ("41b3de4355555557", "333333333.33333343"),
    ("becbf647612f3696", "-0.0000033333333333333333"),
    ("43143ff3c1cb0959", "1424953923781206.2"),
]
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.mark.parametrize(("bits", "text"), NUMBERS)
def test_numbers_are_written_as_ecmascript_does(bits, text):
    value = struct.unpack(">d", bytes.fromhex(bits))[0]
    assert canonical({"n": value}) == f'{{"n":{text}}}'.encode()


def test_the_sample_of_section_3_2_2():
    document = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": '€$\x0f\nA\'B"\\\\"/',
        "literals": [None, True, False],
    }
    assert canonical(document).decode() == (
        '{"literals":[null,true,false],'
        '"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )


def test_keys_are_sorted_by_utf_16_code_units():
    # Section 3.2.3: the emoji is above U+FB33 as a code point, and below it in UTF-16.
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    written = list(json.loads(canonical(dict.fromkeys(names))))
    assert written == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]


def test_text_is_not_normalised():
    composed, decomposed = "\u00e9", unicodedata.normalize("NFD", "\u00e9")
    assert canonical({"a": composed}) != canonical({"a": decomposed})


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), -float("inf"), 2**53, "\ud800", object(), {1: "a"}],
    ids=["nan", "inf", "-inf", "large integer", "half a surrogate", "object", "number as key"],
)
def test_what_has_no_canonical_form_is_refused(value):
    with pytest.raises(InputError) as raised:
        canonical({"v": value})
    assert raised.value.mend


def test_half_a_surrogate_as_a_key_is_refused():
    with pytest.raises(InputError):
        canonical({"\ud800": 1})


def test_endless_nesting_is_refused():
    deep: dict[str, object] = {}
    deep["again"] = deep
    with pytest.raises(InputError):
        canonical(deep)


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), JSON_VALUES, max_size=5))
def test_canonical_bytes_are_read_back_as_the_same_and_written_again_alike(document):
    data = canonical(document)
    assert canonical(parse(data)) == data
    assert canonical(json.loads(json.dumps(document))) == data


def test_the_hash_leaves_out_the_proof_itself():
    plain = {"a": 1}
    assert content_hash(plain) == content_hash(plain | {"signature": {}, "content_hash": "x"})
    # sha256 of {"a":1}, from `printf '{"a":1}' | sha256sum`
    assert content_hash(plain) == "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"


@pytest.mark.parametrize(
    ("data", "place", "cause"),
    [
        (b"\xff{}", "byte 0", "UTF-8"),
        (b'{"a":\n 1,}', "line 2, column 4", "not JSON"),
        (b"[1]", "document", "not a JSON object"),
        (b'{"a":1,"b":2,"a":3}', "member 'a'", "twice"),
        (b'{"a":{"b":1,"\\u0062":1}}', "member 'b'", "twice"),
        (b'{"a":NaN}', "number NaN", "not JSON"),
        (b'{"a":-Infinity}', "number -Infinity", "not JSON"),
        (b'{"a":1e999}', "number 1e999", "64-bit"),
        (b'{"a":1e-999}', "number 1e-999", "64-bit"),
        (b'{"a":1e-99999999999999999999}', "number 1e-9999", "64-bit"),
        (b'{"a":0.10000000000000000001}', "number 0.1000", "64-bit"),
        (b'{"a":' + b"9" * 5000 + b"}", "document", "cannot be read"),
        (b'{"a":' + b"[" * 200_000, "document", "nested too deeply"),
    ],
)
def test_malformed_bytes_name_the_place_and_the_mend(data, place, cause):
    with pytest.raises(FormatError) as raised:
        parse(data)
    assert raised.value.place.startswith(place)
    assert cause in raised.value.cause
    assert raised.value.mend


def test_another_spelling_of_the_same_number_is_read():
    assert parse(b'{"a":1E-7,"b":1.50,"c":2.0}') == {"a": 1e-7, "b": 1.5, "c": 2.0}
