"""YAML is read as plain data; everything else is refused at its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from meterstone.catalogue import load_catalogue
from meterstone.catalogue.source import MAX_BYTES, Position, read_yaml
from meterstone.errors import CatalogueError

from .conftest import SHAPES, Refuse


def read(tmp_path: Path, text: str) -> object:
    path = tmp_path / "a.yaml"
    path.write_text(text, encoding="utf-8")
    return read_yaml(path).content


def test_plain_data(tmp_path: Path) -> None:
    text = "a: 1\nb: [x, 2.5, true, ~, 2026-03-01, =]\nc: {d: 'e', 7: f}\ng: &h {i: 0x10}\nj: *h\n"
    assert read(tmp_path, text) == {
        "a": 1,
        "b": ["x", 2.5, True, None, "2026-03-01", "="],
        "c": {"d": "e", "7": "f"},
        "g": {"i": 16},
        "j": {"i": 16},
    }


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    assert read(tmp_path, "\ufeffa: 1") == {"a": 1}


def test_an_empty_file_is_nothing(tmp_path: Path) -> None:
    assert read(tmp_path, "# only a remark\n") is None


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "line", "cause"),
    [
        ("a: 1\nb: [\n", 3, "not YAML"),
        ("a: 1\nb: c: d\n", 2, "not YAML: mapping values are not allowed"),
        ("a: 'x\n", 2, "not YAML: found unexpected end of stream"),
        ("a: *b\n", 1, "not YAML: found undefined alias"),
        ("a: 1\n---\nb: 2\n", 2, "not YAML: but found another document"),
        ("a: 1\nb: \x01\n", 2, "not YAML"),
        ("a:\n\tb: 1\n", 2, "not YAML"),
        ("[" * 2000, 1, "not YAML: exceeded maximum nesting depth"),
        ("a: 1\na: 2\n", 2, "'a' is written twice"),
        ("a: {b: 1,\n b: 2}\n", 2, "'b' is written twice"),
        ("x: &x {a: 1}\ny:\n  <<: *x\n", 3, "merging with << is not supported"),
        ("a: 1\n? [b, c]\n: 2\n", 2, "a key must be text"),
        ("a: !!python/object/apply:os.system ['ls']\n", 1, "the tag !!python/object/apply:os.sys"),
        ("a: 1\nb: !!python/name:os.system x\n", 2, "the tag !!python/name:os.system"),
        ("a: !!binary aGk=\n", 1, "the tag !!binary is not allowed"),
        ("a: !!set {b, c}\n", 1, "the tag !!set is not allowed"),
        ("a: !mine {b: 1}\n", 1, "the tag !mine is not allowed"),
        ("a: 1\nb: !!int x\n", 2, "'x' cannot be read as int"),
        ("a: !!bool maybe\n", 1, "'maybe' cannot be read as bool"),
        ("a: !!float ''\n", 1, "'' cannot be read as float"),
        (
            f"a: {'9' * 5000}\n",
            1,
            "'999999999999999999999999999999999999999…' cannot be read as int",
        ),
        (LAUGHS, 1, "the file holds more than 100,000 values"),
        ("a: &a [*a]\n", 1, "values are nested deeper than 40 levels, or an alias holds itself"),
        ("a:\n  " + "[" * 50 + "]" * 50, 2, "values are nested deeper than 40 levels"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else str(value),
)
def test_refused(tmp_path: Path, text: str, line: int, cause: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        read(tmp_path, text)
    assert caught.value.place == f"{tmp_path / 'a.yaml'}:{line}"
    assert caught.value.cause.startswith(cause)
    assert caught.value.mend


def test_not_utf_8(refuse: Refuse) -> None:
    [error] = refuse(b"name: shop\nmetrics: []\nnote: caf\xe9 # <-\n")
    assert error.cause == "byte 32 (0xe9) is not UTF-8"
    assert error.mend == "save the file as UTF-8"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="No such file") as caught:
        load_catalogue(tmp_path / "shop.yaml", SHAPES)
    assert caught.value.place == str(tmp_path / "shop.yaml")


def test_a_folder_without_a_catalogue(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="No such file") as caught:
        load_catalogue(tmp_path, SHAPES)
    assert caught.value.place == str(tmp_path / "catalogue.yaml")


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="the file is larger than 4 MB"):
        read(tmp_path, "#" * (MAX_BYTES + 1))


def test_lines_of_values_and_texts(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(
        "a: |\n  one\n  two\nb: >\n  one\n  two\nc:\n  plain\n  text\n"
        "d: [x,\n  y]\ne: &e |\n\n  three\nf: *e\n"
    )
    document = read_yaml(path)
    lines = document.position.lines

    def text_line(key: str, offset: int) -> int:
        return lines.of_text((key,), offset)

    assert [text_line("a", 0), text_line("a", 1)] == [2, 3]
    assert [text_line("b", 0), text_line("b", 1)] == [5, 5]  # folded: its lines are gone
    assert [text_line("c", 0), text_line("c", 1)] == [8, 8]
    assert str(document.position / "d" / 1) == f"{path}:11"
    assert text_line("e", 1) == 14
    assert text_line("f", 1) == 14  # an alias is where its text is written
    assert str(document.position / "a" / "of" / 3) == f"{path}:1"  # the nearest value around
    assert text_line("zzz", 4) == 1


def test_positions_are_values(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: {b: 1}\n")
    position = read_yaml(path).position
    assert position / "a" / "b" == Position(position.lines, ("a", "b"))
