"""Starts the real OpenID provider of this folder (npm package oidc-provider) for a test."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2

HERE = Path(__file__).parent
_NEW_ENOUGH = "process.exit(require('crypto').hash && URL.parse ? 0 : 1)"
"""What oidc-provider uses of a Node."""
CLIENT = {"client_id": "hub", "client_secret": "a-secret-that-must-never-be-seen"}


class Judge:
    """A running provider."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def happened(self) -> dict[str, Any]:
        """What it granted, refused, revoked and served."""
        return httpx2.get(f"{self.url}/judge").json()


def available() -> bool:
    """Whether there is a node to run it with."""
    return bool(shutil.which("node") and shutil.which("npm"))


def installed(source: Path = HERE) -> Path:
    """A folder with the packages that a lock names; made once a machine."""
    lock = (source / "package-lock.json").read_bytes()
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    folder = cache / "meterstone-tests" / f"{source.name}-{sha256(lock).hexdigest()[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # tests that run side by side install once
        if not (folder / ".done").exists():
            for name in ("package.json", "package-lock.json"):
                shutil.copy(source / name, folder)
            command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]
            subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
            (folder / ".done").touch()
    return folder


def node() -> str:
    """The system's Node, or one of npm where that is too old (Debian 12 has 18)."""
    if subprocess.run(["node", "-e", _NEW_ENOUGH], check=False).returncode == 0:
        return "node"
    (found,) = installed(HERE / "runtime").glob("node_modules/node-linux-*/bin/node")
    return str(found)


@contextmanager
def judge(**options: Any) -> Iterator[Judge]:
    """A provider at a port of its own.

    Args:
        options: ``redirect_uris``, ``access_s`` (lifetime of an access token), ``account``,
            ``denies`` (the person says no), ``client_auth``, ``person`` (further claims).
    """
    folder = installed()
    shutil.copy(HERE / "server.mjs", folder / f"server-{os.getpid()}.mjs")
    command = [node(), f"server-{os.getpid()}.mjs", json.dumps(options)]
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout
        yield Judge(json.loads(process.stdout.readline())["port"])
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def connector(base_url: str = "", **auth: Any) -> dict[str, Any]:
    """A connector file of the provider, as data."""
    return {
        "connector": "judge",
        "name": "The judge",
        "category": "pos",
        "base_url": base_url or "https://judge.example",
        "auth": {
            "kind": "authorization_code",
            "authorize_url": "{base_url}/auth",
            "token_url": "{base_url}/token",
            "authorize": {"prompt": "consent"},
            "pkce": "S256",
            "scopes": ["openid", "offline_access", "rows.read"],
            "client": "basic",
            "refresh": {"rotates": True},
            "revoke": {
                "url": "{base_url}/token/revocation",
                "client": "basic",
                "form": "form",
                "body": {"token": "{refresh_or_access}"},
            },
            **auth,
        },
        "capabilities": {
            "pkce": {"value": True, "evidence": "https://www.rfc-editor.org/rfc/rfc7636"}
        },
    }


def person_agrees(url: str, redirect_uri: str) -> dict[str, str]:
    """A browser that follows from the vendor's page to our callback; its parameters."""
    with httpx2.Client(follow_redirects=False) as browser:
        for _ in range(12):
            answer = browser.get(url)
            assert answer.is_redirect, answer.text
            url = str(answer.url.join(answer.headers["location"]))
            if url.startswith(redirect_uri):
                return dict(httpx2.QueryParams(urlsplit(url).query))
    raise AssertionError("the provider never came back")
