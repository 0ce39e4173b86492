"""Checkpoints of the audit log: lines of a file outside the database.

A line is JSON: ``size`` and ``root`` of the tree, the ``leaves`` since the line before, the moment
``at``, the ``log`` it belongs to, and the Ed25519 ``signature`` (RFC 8032) of the canonical JSON of
all that, with the ``key_id`` of a key in ``keys/trusted``.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from cryptography.exceptions import InvalidSignature

from meterstone.errors import StorageError, VerificationFailed
from meterstone.scorecard.canonical import canonical
from meterstone.scorecard.sign import SigningKey, TrustedKeys, encode

_BLOCK = 16 << 10
_SIGNED = ("log", "at", "size", "root", "leaves", "key_id")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How the tree stood at a moment, and the leaves that it has more than the one before."""

    size: int
    root: bytes
    leaves: tuple[bytes, ...]
    at: str
    key_id: str


@dataclass(frozen=True, slots=True)
class ReadCheckpoints:
    """The checkpoints of a file up to the first that does not hold, and what is wrong with that."""

    checkpoints: list[Checkpoint] = field(default_factory=list)
    problem: str = ""


class Checkpoints:
    """One file of checkpoints.

    Args:
        path: the file; made when the first is written.
        log: id of the ledger whose log it is.
        key: gives the key that signs.
        trusted: gives the keys whose signatures hold.
    """

    def __init__(
        self,
        path: Path,
        log: str,
        key: Callable[[], SigningKey],
        trusted: Callable[[], TrustedKeys],
    ) -> None:
        self._path = path
        self._log = log
        self._key = key
        self._trusted = trusted

    @contextmanager
    def appending(self) -> Iterator[Writer]:
        """The file, locked against other processes.

        Raises:
            StorageError: it cannot be written.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield Writer(file, self._log, self._key)
        except OSError as error:
            raise StorageError(
                f"cannot write the checkpoint of the audit log: {error.strerror}",
                place=str(self._path),
                mend="make room or give the right to write; the change itself is kept, and the "
                "next checkpoint covers it",
            ) from error

    def read(self) -> ReadCheckpoints:
        """All checkpoints, each with its signature checked and joined to the one before.

        Raises:
            StorageError: the file cannot be read; one that is not there has no checkpoints.
        """
        trusted = self._trusted()
        found = ReadCheckpoints()
        try:
            # What follows the last line end was torn by a crash, and signs nothing.
            lines = self._path.read_bytes().split(b"\n")[:-1]
        except FileNotFoundError:
            lines = []
        except OSError as error:
            raise StorageError(
                f"cannot read the checkpoints of the audit log: {error.strerror}",
                place=str(self._path),
                mend="check the path and the right to read it",
            ) from error
        for number, line in enumerate(lines, 1):
            size = found.checkpoints[-1].size if found.checkpoints else 0
            problem = _problem(line, self._log, size, trusted)
            if problem:
                return ReadCheckpoints(found.checkpoints, f"checkpoint {number}: {problem}")
            found.checkpoints.append(_checkpoint(json.loads(line)))
        return found


class Writer:
    """Appends to a locked file. ``size`` is that of the last checkpoint in it."""

    def __init__(self, file: IO[bytes], log: str, key: Callable[[], SigningKey]) -> None:
        self._file = file
        self._log = log
        self._key = key
        self.size = _last_size(file)

    def append(self, leaves: Sequence[bytes], size: int, root: bytes, at: datetime) -> None:
        """Sign and write a checkpoint; on disk when this returns."""
        key = self._key()
        fields: dict[str, Any] = {
            "log": self._log,
            "at": at.isoformat(timespec="microseconds"),
            "size": size,
            "root": root.hex(),
            "leaves": [leaf.hex() for leaf in leaves],
            "key_id": key.key_id,
        }
        fields["signature"] = encode(key.sign(canonical(fields)))
        self._file.write(canonical(fields) + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())


def _last_size(file: IO[bytes]) -> int:
    """Size of the last whole line; a torn one (a crash while writing) is cut off."""
    end = file.seek(0, os.SEEK_END)
    tail, start = b"", end
    while start and tail.count(b"\n") < 2:  # a line end before the last line, or all there is
        start = max(0, start - _BLOCK)
        file.seek(start)
        tail = file.read(end - start)
    whole = tail.rpartition(b"\n")[0]
    torn = len(tail) - len(whole) - 1 if b"\n" in tail else len(tail)
    if torn:
        file.truncate(end - torn)
        file.seek(0, os.SEEK_END)
    return _size(whole.rpartition(b"\n")[2], file.name) if b"\n" in tail else 0


def _size(line: bytes, place: str) -> int:
    try:
        return int(json.loads(line)["size"])
    except (ValueError, KeyError, TypeError):
        raise VerificationFailed(
            "a line is no checkpoint", place=place, mend="meterstone audit verify"
        ) from None


def _problem(line: bytes, log: str, before: int, trusted: TrustedKeys) -> str:
    """What is wrong with a line, or nothing."""
    try:
        fields = json.loads(line)
        signed = {name: fields[name] for name in _SIGNED}
        signature = base64.urlsafe_b64decode(fields["signature"] + "==")
        key = trusted.get(fields["key_id"])
        if key is None:
            return f"signed by key {fields['key_id']}, which is not in keys/trusted"
        key.verify(signature, canonical(signed))
    except (ValueError, KeyError, TypeError, AttributeError):
        return "is not a checkpoint"
    except InvalidSignature:
        return "the signature does not hold"
    if fields["log"] != log:
        return "belongs to another ledger"
    if before + len(fields["leaves"]) != fields["size"]:
        return f"does not follow the one before: that had {before} entries"
    return ""


def _checkpoint(fields: Mapping[str, Any]) -> Checkpoint:
    return Checkpoint(
        size=fields["size"],
        root=bytes.fromhex(fields["root"]),
        leaves=tuple(bytes.fromhex(leaf) for leaf in fields["leaves"]),
        at=fields["at"],
        key_id=fields["key_id"],
    )
