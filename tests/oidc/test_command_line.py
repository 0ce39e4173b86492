"""`meterstone connect` in a terminal of its own, against a real OpenID provider."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import httpx2
import pytest

from .judge import CLIENT, available, connector, judge


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def meterstone(home, *words, **more):
    command = [sys.executable, "-m", "meterstone", *words, "--home", str(home), "--json"]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "METERSTONE_ALLOW_LOOPBACK": "1"},
        **more,
    )


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "home" / "connectors" / "judge"
    folder.mkdir(parents=True)
    (folder / "connector.yaml").write_text(json.dumps(connector()))  # JSON is YAML
    return tmp_path / "home"


def test_connect_check_and_disconnect(home):
    if not available():
        pytest.skip("no node and npm here; apt install nodejs npm")
    port = free_port()
    redirect = f"http://127.0.0.1:{port}/oauth/callback/judge"
    with judge(redirect_uris=[redirect], access_s=60) as provider:
        signing_in = meterstone(
            home, "connect", "judge", "--no-browser", "--port", str(port), "--credentials", "-",
            "--name", "Main street", "--within", "60",
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
        assert signing_in.wait(30) == 0
        signing_in.stdout.close()
        signing_in.stderr.close()
        assert (made["name"], made["status"]) == ("Main street", "active")
        assert CLIENT["client_secret"] not in said + address

        out, _ = meterstone(home, "oauth-check").communicate(timeout=60)
        results = {check["control"]: check["result"] for check in json.loads(out)[made["id"]]}
        assert results.pop("refresh_rotation") == "not_applicable"
        assert results.pop("tls12_or_newer") == "not_applicable"  # on this machine
        assert set(results.values()) == {"passed"}

        out, _ = meterstone(home, "disconnect", made["id"]).communicate(timeout=60)
        assert json.loads(out)["revoked"] is True


def test_nobody_signs_in(home):
    words = ("connect", "judge", "--no-browser", "--port", str(free_port()), "--within", "0",
             "--set", "base_url=http://127.0.0.1:9")  # fmt: skip
    process = meterstone(home, *words, "--credentials", "-")
    out, err = process.communicate(json.dumps(CLIENT), timeout=60)
    assert process.returncode == 2
    assert json.loads(out)["cause"] == "nobody signed in within 0 s"
    assert "Traceback" not in err


def test_a_program_is_told_what_is_missing(home):
    process = meterstone(home, "connect", "judge", "--no-browser", "--port", str(free_port()))
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert json.loads(out)["cause"] == "The judge needs client_id"
