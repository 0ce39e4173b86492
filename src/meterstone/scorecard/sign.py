"""Signing a scorecard: Ed25519 (RFC 8032) over the canonical bytes of its content.

    keys/scorecard.key     the private key of this home, PKCS #8 PEM, readable by its owner only
    keys/trusted/*.pub     the public keys whose scorecards hold here, PEM

A document names its key by an id; whether that key is trusted is decided by the folder and never
by the document.
"""

from __future__ import annotations

import base64
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from meterstone.errors import InputError, StorageError
from meterstone.scorecard.canonical import canonical, content, digest
from meterstone.scorecard.model import Scorecard, read

ALGORITHM = "Ed25519"
TrustedKeys = Mapping[str, Ed25519PublicKey]
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True, repr=False)
class SigningKey:
    """A private key that shows nobody more than its id."""

    _private: Ed25519PrivateKey

    @classmethod
    def generate(cls) -> SigningKey:
        """A new key from the random source of the system."""
        return cls(Ed25519PrivateKey.generate())

    @property
    def public(self) -> Ed25519PublicKey:
        """The key that others verify with."""
        return self._private.public_key()

    @property
    def key_id(self) -> str:
        """The id of the public key."""
        return key_id(self.public)

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of the signature."""
        return self._private.sign(message)

    def pem(self) -> bytes:
        """The secret itself, PKCS #8; for the key file only."""
        return self._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def __repr__(self) -> str:
        return f"SigningKey({self.key_id})"


def key_id(key: Ed25519PublicKey) -> str:
    """First 16 hex digits of the SHA-256 of the 32 raw bytes of the public key."""
    raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return sha256(raw).hexdigest()[:16]


def sign(document: Scorecard | Mapping[str, Any], key: SigningKey) -> dict[str, Any]:
    """The document with ``content_hash`` and ``signature``; former ones are replaced.

    Raises:
        InputError: it is not a scorecard: what breaks the schema is not signed.
    """
    fields = content(read(document).as_dict())
    message = canonical(fields)
    value = encode(key.sign(message))
    signature = {"algorithm": ALGORITHM, "key_id": key.key_id, "value": value}
    return fields | {"content_hash": digest(message), "signature": signature}


def encode(raw: bytes) -> str:
    """base64url without padding (RFC 4648 §5)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signing_key(home: Path) -> SigningKey:
    """The key of this home, made and trusted at first use.

    To rotate it, move ``keys/scorecard.key`` away: the next use makes a new one, and what the
    former key signed still holds while its ``.pub`` file is in ``keys/trusted``.

    Raises:
        InputError: the file is not an Ed25519 key, or others than its owner may open it.
        StorageError: the folder cannot be read or written.
    """
    path = home / "keys" / "scorecard.key"
    try:
        return _load_private(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise _storage(path, error) from error
    try:
        return _create(path)
    except OSError as error:
        raise _storage(path, error) from error


def trusted_keys(home: Path) -> dict[str, Ed25519PublicKey]:
    """The public keys of ``keys/trusted/*.pub`` by id; empty where the folder is missing.

    Raises:
        InputError: a file is not an Ed25519 public key in PEM.
        StorageError: a file cannot be read.
    """
    paths = sorted((home / "keys" / "trusted").glob("*.pub"))
    keys = [_load_public(path) for path in paths]
    return {key_id(key): key for key in keys}


def trust(home: Path, key: Ed25519PublicKey) -> Path:
    """Puts a public key among the trusted ones of this home and returns its file."""
    folder = home / "keys" / "trusted"
    path = folder / f"{key_id(key)}.pub"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_suffix(".draft")  # a reader never sees half a key
        draft.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        draft.replace(path)
    except OSError as error:
        raise _storage(path, error) from error
    return path


def _load_private(path: Path) -> SigningKey:
    with path.open("rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        pem = file.read()
    if mode & _OTHERS:
        raise InputError(
            f"others than its owner may open the private key (mode {mode:04o})",
            place=str(path),
            mend=f"chmod 600 {path}; if somebody may have read it, move it away to get a new key",
        )
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # The cause is left out on purpose: nothing of a key file may reach a log.
        raise _bad_key(path, "private") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise _bad_key(path, "private")
    return SigningKey(key)


def _create(path: Path) -> SigningKey:
    """A new key; whole or not there, and when two make one at once both use the first."""
    key = SigningKey.generate()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{key.key_id}")
    public = trust(path.parents[1], key.public)
    try:
        _write_private(draft, key.pem())
        os.link(draft, path)
    except FileExistsError:
        public.unlink()
        return _load_private(path)
    finally:
        draft.unlink(missing_ok=True)
    return key


def _write_private(path: Path, pem: bytes) -> None:
    """On disk before it is used, and never readable by others, whatever the umask."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())


def _load_public(path: Path) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise _storage(path, error) from error
    except (ValueError, UnsupportedAlgorithm):
        # No cause: somebody may have put a private key here by mistake.
        raise _bad_key(path, "public") from None
    if not isinstance(key, Ed25519PublicKey):
        raise _bad_key(path, "public")
    return key


def _bad_key(path: Path, kind: str) -> InputError:
    return InputError(
        f"is not an Ed25519 {kind} key in unencrypted PEM",
        place=str(path),
        mend="put the right file back, or move it away",
    )


def _storage(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"cannot use the key file: {error.strerror}",
        place=str(path),
        mend="give this user the right to read and write the folder of the home",
    )
