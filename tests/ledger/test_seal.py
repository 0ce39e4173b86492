"""Sealing: what is stored opens only where, for whom and as which version it was sealed."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from meterstone.errors import InputError, StorageError, VerificationFailed
from meterstone.ledger import Ledger
from meterstone.ledger.seal import Sealer
from meterstone.ledger.tables import data_keys, secrets

from .conftest import Place


@pytest.fixture(scope="module")
def sealer(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sealer, bytes]:
    made = Sealer(tmp_path_factory.mktemp("keys"), "tenant")
    key, _ = made.new_data_key("c1", made.new_home_key())
    return made, key


@given(value=st.binary(max_size=200), flip=st.integers(0, 10_000))
def test_any_flipped_bit_is_noticed(sealer: tuple[Sealer, bytes], value: bytes, flip: int) -> None:
    made, key = sealer
    sealed = bytearray(made.seal(key, value, "c1", "token", 1))
    assert made.open(key, bytes(sealed), "c1", "token", 1) == value
    sealed[flip // 8 % len(sealed)] ^= 1 << flip % 8
    with pytest.raises(VerificationFailed):
        made.open(key, bytes(sealed), "c1", "token", 1)


@pytest.mark.parametrize(
    ("owner", "name", "version"),
    [("c2", "token", 1), ("c1", "refresh", 1), ("c1", "token", 2), ("c1t", "oken", 1)],
)
def test_a_value_opens_in_its_own_place_only(
    sealer: tuple[Sealer, bytes], owner: str, name: str, version: int
) -> None:
    made, key = sealer
    with pytest.raises(VerificationFailed):
        made.open(key, made.seal(key, b"x", "c1", "token", 1), owner, name, version)


def test_a_value_of_another_tenant_does_not_open(tmp_path: Path) -> None:
    one, other = Sealer(tmp_path, "one"), Sealer(tmp_path, "other")
    home_key = one.new_home_key()
    key, wrapped = one.new_data_key("c1", home_key)
    assert one.unwrap(wrapped, "c1", home_key) == key
    with pytest.raises(VerificationFailed):
        other.unwrap(wrapped, "c1", home_key)
    with pytest.raises(VerificationFailed):
        other.open(key, one.seal(key, b"x", "c1", "token", 1), "c1", "token", 1)


def test_too_short_a_value_does_not_open(sealer: tuple[Sealer, bytes]) -> None:
    made, key = sealer
    with pytest.raises(VerificationFailed):
        made.open(key, b"", "c1", "token", 1)


def _swap(ledger: Ledger, column: str) -> None:
    """What somebody does who can write the database: give one owner what another has."""
    with ledger.change("intruder") as change:
        table = secrets if column == "sealed" else data_keys
        stolen = sa.select(table.c[column]).where(table.c.owner == "victim").scalar_subquery()
        change._tx.run(sa.update(table).where(table.c.owner == "mine").values({column: stolen}))


@pytest.mark.parametrize("column", ["sealed", "wrapped"])
def test_a_secret_that_was_moved_in_the_database_does_not_open(ledger: Ledger, column: str) -> None:
    with ledger.change("test") as change:
        for owner in ("victim", "mine"):
            change.secrets.put(owner, "token", owner.encode())
    _swap(ledger, column)
    with ledger.read() as seen, pytest.raises(VerificationFailed, match="does not open"):
        seen.secrets.get("mine", "token")


def test_an_older_value_put_back_does_not_open(ledger: Ledger) -> None:
    with ledger.change("test") as change:
        change.secrets.put("c1", "token", b"old")
        old = change._tx.run(sa.select(secrets.c.sealed)).scalar_one()
        change.secrets.put("c1", "token", b"new")
        change._tx.run(sa.update(secrets).values(sealed=old))
    with ledger.read() as seen, pytest.raises(VerificationFailed):
        seen.secrets.get("c1", "token")


def test_what_lies_in_the_database_is_no_value(ledger: Ledger) -> None:
    with ledger.change("test") as change:
        assert change.secrets.at_rest("c1", "token") is None
        change.secrets.put("c1", "token", b"hunter2-hunter2")
        stored = change.secrets.at_rest("c1", "token")
        (key,) = change._tx.run(sa.select(data_keys.c.wrapped)).scalars()
    assert b"hunter2" not in stored
    assert len(stored) == 12 + len(b"hunter2-hunter2") + 16
    assert len(key) == 12 + 32 + 16


# the key of the home


def keys(place: Place) -> list[Path]:
    return sorted((place.folder / "keys").glob("ledger-*.key"))


def test_rotating_the_key_wraps_anew_and_touches_no_value(place: Place) -> None:
    ledger = place.open()
    with ledger.change("test") as change:
        for owner in ("a", "b"):
            change.secrets.put(owner, "token", owner.encode())
        before = change._tx.run(sa.select(secrets.c.sealed).order_by(secrets.c.owner)).all()
    (old,) = keys(place)
    new = ledger.rotate_home_key("cli")
    assert [path.name for path in keys(place)] == [f"ledger-{new}.key"]
    assert not old.exists()
    with place.open().read() as seen:
        after = seen._tx.run(sa.select(secrets.c.sealed).order_by(secrets.c.owner)).all()
        assert after == before
        assert seen.secrets.get("a", "token").value == b"a"
        assert set(seen._tx.run(sa.select(data_keys.c.home_key)).scalars()) == {new}


def test_a_ledger_opened_before_the_rotation_goes_on(place: Place) -> None:
    one, two = place.open(), place.open()
    with one.change("test") as change:
        change.secrets.put("a", "token", b"1")
    one.rotate_home_key("cli")
    with two.change("test") as change:
        assert change.secrets.get("a", "token").value == b"1"
        change.secrets.put("b", "token", b"2")
    with one.read() as seen:
        assert seen.secrets.get("b", "token").value == b"2"


def test_a_rotation_that_fails_leaves_the_old_key(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = place.open()
    with ledger.change("test") as change:
        change.secrets.put("a", "token", b"1")

    def refuse(*_: object) -> bytes:
        raise StorageError("no more", place="test")

    with monkeypatch.context() as patched:
        patched.setattr(Sealer, "wrap", refuse)
        with pytest.raises(StorageError):
            ledger.rotate_home_key("cli")
    with place.open().read() as seen:
        assert seen.secrets.get("a", "token").value == b"1"
    ledger.rotate_home_key("cli")
    assert len(keys(place)) == 1


def test_a_key_that_others_may_read_is_refused(place: Place) -> None:
    ledger = place.open()
    with ledger.change("test") as change:
        change.secrets.put("a", "token", b"1")
    (key,) = keys(place)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    key.chmod(0o644)
    with place.open().read() as seen, pytest.raises(InputError, match="others than its owner"):
        seen.secrets.get("a", "token")


@pytest.mark.parametrize("content", [b"", b"not base64!", b"AAAA", b"A" * 43 + b"="])
def test_a_key_file_with_other_content_is_refused(place: Place, content: bytes) -> None:
    ledger = place.open()
    with ledger.change("test") as change:
        change.secrets.put("a", "token", b"1")
    (key,) = keys(place)
    key.write_bytes(content)
    with place.open().read() as seen, pytest.raises(InputError, match="not the key") as refused:
        seen.secrets.get("a", "token")
    assert refused.value.__cause__ is None


def test_a_missing_key_is_said_with_its_mend(place: Place) -> None:
    ledger = place.open()
    with ledger.change("test") as change:
        change.secrets.put("a", "token", b"1")
    keys(place)[0].unlink()
    with place.open().read() as seen, pytest.raises(StorageError, match="No such file") as lost:
        seen.secrets.get("a", "token")
    assert "backup" in lost.value.mend


def test_keys_that_cannot_be_written_are_said(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("in the way")
    with pytest.raises(StorageError, match="key of the ledger"):
        Sealer(tmp_path / "keys", "t").new_home_key()


def test_a_sealer_shows_no_key(sealer: tuple[Sealer, bytes]) -> None:
    made, key = sealer
    assert key.hex() not in repr(made)
    assert "_known" not in repr(made)
