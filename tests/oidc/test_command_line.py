"""`meterstone connect` in a terminal of its own, against a real OpenID provider."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import httpx2
import pytest

from homes import Meterstone
from ports import free_port

from .judge import CLIENT, available, connector, judge


def in_a_terminal(home, *words):
    command = [sys.executable, "-m", "meterstone", *words, "--home", str(home), "--json"]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "METERSTONE_ALLOW_LOOPBACK": "1"},
    )


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "home" / "connectors" / "judge"
    folder.mkdir(parents=True)
    (folder / "connector.yaml").write_text(json.dumps(connector()))  # JSON is YAML
    return tmp_path / "home"


@pytest.fixture
def meterstone(home, monkeypatch, capfd):
    """The same commands in this process."""
    monkeypatch.setenv("METERSTONE_ALLOW_LOOPBACK", "1")
    return Meterstone(home, monkeypatch, capfd)


def test_connect_check_and_disconnect(home, meterstone):
    if not available():
        pytest.skip("no node and npm here; apt install nodejs npm")
    port = free_port()
    redirect = f"http://127.0.0.1:{port}/oauth/callback/judge"
    with judge(redirect_uris=[redirect], access_s=60) as provider:
        signing_in = in_a_terminal(
            home, "connect", "judge", "--no-browser", "--port", str(port), "--credentials", "-",
            "--name", "Main street", "--within", "120",
        )  # fmt: skip
        told = {"settings": {"base_url": provider.url}, "account": "M1", "token": None}
        signing_in.stdin.write(json.dumps({**CLIENT, **told}))  # as `sandbox up --json` tells
        signing_in.stdin.close()
        address = signing_in.stderr.readline().removeprefix("open ").strip()
        with httpx2.Client(follow_redirects=True) as browser:
            page = browser.get(address)
        assert (page.status_code, "is connected" in page.text) == (200, True)
        made = json.loads(signing_in.stdout.read())
        said = signing_in.stderr.read()
        assert signing_in.wait(60) == 0
        signing_in.stdout.close()
        signing_in.stderr.close()
        assert (made["name"], made["status"]) == ("Main street", "active")
        assert CLIENT["client_secret"] not in said + address

        checked = meterstone("oauth-check", "--json").json[made["id"]]
        results = {check["control"]: check["result"] for check in checked}
        assert results.pop("refresh_rotation") == "not_applicable"
        assert results.pop("tls12_or_newer") == "not_applicable"  # on this machine
        assert set(results.values()) == {"passed"}

        assert meterstone("disconnect", made["id"], "--json").json["revoked"] is True


def test_nobody_signs_in(meterstone, tmp_path):
    (tmp_path / "client.json").write_text(json.dumps(CLIENT))
    ran = meterstone(
        "connect", "judge", "--no-browser", "--port", free_port(), "--within", 0, "--json",
        "--credentials", tmp_path / "client.json", "--set", "base_url=http://127.0.0.1:9",
    )  # fmt: skip
    assert (ran.code, ran.json["cause"]) == (2, "nobody signed in within 0 s")
    assert CLIENT["client_secret"] not in ran.out + ran.err


def test_a_program_is_told_what_is_missing(meterstone):
    ran = meterstone("connect", "judge", "--no-browser", "--port", free_port(), "--json")
    assert (ran.code, ran.json["cause"]) == (2, "The judge needs client_id")
    assert "--credential client_id=…" in ran.json["mend"]


def test_a_file_that_is_no_object(meterstone, tmp_path):
    (tmp_path / "client.json").write_text("very-secret")
    ran = meterstone("connect", "judge", "--credentials", tmp_path / "client.json", "--json")
    assert (ran.code, ran.json["cause"]) == (2, "not a JSON object")
    assert "very-secret" not in ran.out + ran.err
