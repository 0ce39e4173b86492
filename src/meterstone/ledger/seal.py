"""Sealing: AES-256-GCM with envelope keys.

    keys/ledger-<id>.key   a key of the home, 32 bytes in base64, readable by its owner only
      └─ wraps a data key of each owner of secrets (a connection, an application, a sign-in)
           └─ seals the values of that owner

What a value is bound to (tenant, owner, name, version) is authenticated with it: a value that is
moved to another owner, name or version in the database does not open. Rotating the key of the home
wraps the data keys anew and touches no value.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import stat
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from meterstone.errors import InputError, StorageError, VerificationFailed

_KEY_BYTES = 32
_NONCE_BYTES = 12
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class Sealer:
    """The keys of a home, and what is done with them. Shows nobody more than their ids.

    Args:
        folder: ``keys`` of the home.
        tenant: id of the ledger: what another one sealed does not open here.
    """

    def __init__(self, folder: Path, tenant: str) -> None:
        self._folder = folder
        self._tenant = tenant
        self._known: dict[str, bytes] = {}

    def new_home_key(self) -> str:
        """Make a key of the home and return its id; on disk before it is used.

        Raises:
            StorageError: the folder cannot be written.
        """
        key = AESGCM.generate_key(bit_length=8 * _KEY_BYTES)
        name = sha256(key).hexdigest()[:16]
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            _write_private(self._path(name), base64.b64encode(key) + b"\n")
        except OSError as error:
            raise _storage(self._path(name), error) from error
        self._known[name] = key
        return name

    def destroy_home_keys(self, but: str) -> None:
        """Remove all keys of the home but one, after all data keys were wrapped with it."""
        for path in self._folder.glob("ledger-*.key"):
            if path != self._path(but):
                path.unlink()
        self._known = {name: key for name, key in self._known.items() if name == but}

    def new_data_key(self, owner: str, home_key: str) -> tuple[bytes, bytes]:
        """A data key and the same wrapped by a key of the home."""
        key = AESGCM.generate_key(bit_length=8 * _KEY_BYTES)
        return key, self.wrap(key, owner, home_key)

    def wrap(self, data_key: bytes, owner: str, home_key: str) -> bytes:
        """A data key, sealed by a key of the home."""
        return _encrypt(self._key(home_key), data_key, self._bound("data key", owner, home_key))

    def unwrap(self, wrapped: bytes, owner: str, home_key: str) -> bytes:
        """The data key.

        Raises:
            VerificationFailed: it was changed, or belongs to another owner.
        """
        bound = self._bound("data key", owner, home_key)
        return _decrypt(self._key(home_key), wrapped, bound, owner)

    def seal(self, data_key: bytes, value: bytes, owner: str, name: str, version: int) -> bytes:
        """A value, sealed for its place and version."""
        return _encrypt(data_key, value, self._bound("secret", owner, name, version))

    def open(self, data_key: bytes, sealed: bytes, owner: str, name: str, version: int) -> bytes:
        """The value.

        Raises:
            VerificationFailed: it was changed, or moved here from another place or version.
        """
        bound = self._bound("secret", owner, name, version)
        return _decrypt(data_key, sealed, bound, f"{owner} {name}")

    def _bound(self, *parts: str | int) -> bytes:
        return json.dumps([self._tenant, *parts]).encode()

    def _path(self, name: str) -> Path:
        return self._folder / f"ledger-{name}.key"

    def _key(self, name: str) -> bytes:
        if name not in self._known:
            self._known[name] = _read_private(self._path(name), name)
        return self._known[name]

    def __repr__(self) -> str:
        return f"Sealer({self._folder})"


def _encrypt(key: bytes, value: bytes, bound: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, value, bound)


def _decrypt(key: bytes, sealed: bytes, bound: bytes, place: str) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound)
    except (InvalidTag, ValueError):
        # No cause: nothing of what was sealed may reach a log.
        raise VerificationFailed(
            "a sealed value does not open: it was changed, or sealed for another place",
            place=place,
            mend="restore the ledger and its keys from one backup, or connect again",
        ) from None


def _read_private(path: Path, name: str) -> bytes:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read()
    except OSError as error:
        raise _storage(path, error) from error
    if mode & _OTHERS:
        raise InputError(
            f"others than its owner may open this key (mode {mode:04o})",
            place=str(path),
            mend=f"chmod 600 {path}; if somebody may have read it, `meterstone audit rotate-key`",
        )
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != _KEY_BYTES or sha256(key).hexdigest()[:16] != name:
        raise InputError(
            "is not the key that its name says", place=str(path), mend="restore the file"
        )
    return key


def _write_private(path: Path, data: bytes) -> None:
    """Never readable by others, whatever the umask; on disk when this returns."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _storage(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"cannot use the key of the ledger: {error.strerror}",
        place=str(path),
        mend="restore `keys` of the home from the backup of the same ledger",
    )
