"""A real PostgreSQL for the tests: a cluster of its own in a temporary folder, from the binaries of
Debian's package, as a user who is not root (the server refuses that one)."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

_INSTALLED = Path("/usr/lib/postgresql")


def binaries() -> Path | None:
    """The folder of the newest installed server, or None."""
    found = sorted(_INSTALLED.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


class Server:
    """A running cluster, reached by a socket in its folder."""

    def __init__(self, folder: Path, user: str) -> None:
        self._folder = folder
        self._user = user

    def new_database(self) -> str:
        """Make a database; returns its URL."""
        name = f"t{secrets.token_hex(6)}"
        dsn = f"host={self._folder} user={self._user} dbname=postgres"
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return f"postgresql://{self._user}@/{name}?host={self._folder}"


@contextmanager
def running(bin_folder: Path) -> Iterator[Server]:
    """A cluster, stopped and removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="pg"))  # short: the path of a socket has 107 bytes
    user = _unprivileged()
    account = pwd.getpwnam(user)
    os.chown(folder, account.pw_uid, account.pw_gid)
    as_user = {"user": user, "group": account.pw_gid} if os.geteuid() == 0 else {}

    def run(program: str, *options: str) -> None:
        subprocess.run(
            [bin_folder / program, "-D", folder / "data", *options],
            check=True, cwd=folder, timeout=60, stdout=subprocess.DEVNULL, **as_user,
        )  # fmt: skip

    # The tests kill workers and never the server: it need not wait for the disk.
    config = f"-k {folder} -c listen_addresses= -c fsync=off -c max_connections=200"
    try:
        run("initdb", "-U", user, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        run("pg_ctl", "-w", "-t", "50", "-l", str(folder / "log"), "-o", config, "start")
        try:
            yield Server(folder, user)
        finally:
            run("pg_ctl", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


def _unprivileged() -> str:
    me = pwd.getpwuid(os.geteuid())
    if me.pw_uid != 0:
        return me.pw_name
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
