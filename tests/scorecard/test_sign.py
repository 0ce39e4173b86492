"""Keys and signatures: files, permissions, rotation, and that no secret gets out."""

import base64
import os
import stat
import traceback
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from meterstone.errors import InputError, StorageError
from meterstone.scorecard import SigningKey, content_hash, key_id, signing_key, trusted_keys
from meterstone.scorecard import sign as sign_package_attribute  # the module: see __init__
from meterstone.scorecard.canonical import canonical, content
from meterstone.scorecard.sign import sign, trust

from .conftest import build_card


def _mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_the_package_keeps_its_modules_apart_from_their_functions():
    assert sign_package_attribute.sign is sign


def test_the_key_is_made_at_first_use_for_its_owner_only(tmp_path):
    before = os.umask(0)
    try:
        key = signing_key(tmp_path)
    finally:
        os.umask(before)
    assert _mode(tmp_path / "keys" / "scorecard.key") == 0o600
    assert _mode(tmp_path / "keys") == 0o700
    assert [path.name for path in (tmp_path / "keys").iterdir() if path.name[0] == "."] == []
    assert signing_key(tmp_path).key_id == key.key_id
    assert list(trusted_keys(tmp_path)) == [key.key_id]


def test_the_key_id_is_of_the_raw_public_key(key):
    raw = key.public.public_bytes(ser.Encoding.Raw, ser.PublicFormat.Raw)
    assert key.key_id == key_id(key.public) == sha256(raw).hexdigest()[:16]


def test_a_key_that_others_may_open_is_refused(tmp_path):
    signing_key(tmp_path)
    path = tmp_path / "keys" / "scorecard.key"
    path.chmod(0o640)
    with pytest.raises(InputError, match="mode 0640") as raised:
        signing_key(tmp_path)
    assert "chmod 600" in raised.value.mend


def _private_pem(key, password=None):
    locked = ser.BestAvailableEncryption(password) if password else ser.NoEncryption()
    return key.private_bytes(ser.Encoding.PEM, ser.PrivateFormat.PKCS8, locked)


BAD_KEYS = {
    "text": b"my secret passphrase",
    "other kind": _private_pem(ec.generate_private_key(ec.SECP256R1())),
    "encrypted": _private_pem(ed25519.Ed25519PrivateKey.generate(), b"secret"),
    "cut off": _private_pem(ed25519.Ed25519PrivateKey.generate())[:60],
}


@pytest.mark.parametrize("name", BAD_KEYS)
def test_a_file_that_is_no_key_is_refused_without_showing_it(tmp_path, name):
    path = tmp_path / "keys" / "scorecard.key"
    path.parent.mkdir()
    path.write_bytes(BAD_KEYS[name])
    path.chmod(0o600)
    with pytest.raises(InputError) as raised:
        signing_key(tmp_path)
    shown = "".join(traceback.format_exception(raised.value)) + str(raised.value)
    assert str(path) in shown
    assert BAD_KEYS[name].splitlines()[-1].decode() not in shown
    assert raised.value.__cause__ is None


@pytest.mark.parametrize(
    "data",
    [b"no key", _private_pem(ed25519.Ed25519PrivateKey.generate())],
    ids=["text", "a private key by mistake"],
)
def test_a_trusted_file_that_is_no_public_key_is_refused(tmp_path, data):
    path = tmp_path / "keys" / "trusted" / "partner.pub"
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"partner\.pub"):
        trusted_keys(tmp_path)


def test_a_trusted_key_of_another_kind_is_refused(tmp_path):
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    path = tmp_path / "keys" / "trusted" / "partner.pub"
    path.parent.mkdir(parents=True)
    path.write_bytes(public.public_bytes(ser.Encoding.PEM, ser.PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(InputError, match="Ed25519"):
        trusted_keys(tmp_path)


def test_without_a_folder_nobody_is_trusted(tmp_path):
    assert trusted_keys(tmp_path) == {}


def test_the_disk_says_no(tmp_path, key):
    (tmp_path / "keys").write_text("a file where a folder should be")
    with pytest.raises(StorageError):
        signing_key(tmp_path)
    with pytest.raises(StorageError):
        trust(tmp_path, key.public)


def test_a_folder_in_place_of_a_key_file(tmp_path):
    (tmp_path / "keys" / "trusted" / "x.pub").mkdir(parents=True)
    with pytest.raises(StorageError):
        trusted_keys(tmp_path)


def test_a_full_disk_while_making_the_key_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "link", full)
    with pytest.raises(StorageError, match="No space left"):
        signing_key(tmp_path)
    assert not list((tmp_path / "keys").glob("*.key*"))


def test_two_that_make_the_key_at_once_use_the_first(tmp_path, monkeypatch):
    link = os.link

    def late(source, target):
        monkeypatch.setattr(os, "link", link)
        signing_key(tmp_path)  # somebody else is faster
        link(source, target)

    monkeypatch.setattr(os, "link", late)
    key = signing_key(tmp_path)
    assert signing_key(tmp_path).key_id == key.key_id
    assert list(trusted_keys(tmp_path)) == [key.key_id]


def test_a_key_shows_its_id_only(key):
    assert repr(key) == f"SigningKey({key.key_id})"


def test_what_is_signed_is_the_canonical_content(key):
    card = build_card()
    signed = sign(card, key)
    assert content(signed) == card.as_dict()
    assert signed["content_hash"] == content_hash(card.as_dict())
    raw = base64.urlsafe_b64decode(signed["signature"]["value"] + "==")
    key.public.verify(raw, canonical(card.as_dict()))
    assert sign(signed, key) == signed  # Ed25519 is deterministic (RFC 8032)
    assert sign(signed, SigningKey.generate())["content_hash"] == signed["content_hash"]


def test_what_is_no_scorecard_is_not_signed(key):
    with pytest.raises(InputError, match="not a scorecard"):
        sign({"schema": "mine"}, key)
