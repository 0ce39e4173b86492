"""What tests of pages share: a home of its own catalogue, and its pages as an admin sees them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from homes import own_catalogue
from meterstone.app import Home
from meterstone.cli.site import site_app
from meterstone.cli.telemetry import Telemetry
from meterstone.people.rights import Role
from visitors import sign_in


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    own_catalogue(tmp_path)
    with Home(tmp_path) as opened:
        yield opened


@pytest.fixture
def client(home: Home) -> Iterator[TestClient]:
    with TestClient(site_app(home, "http://testserver", Telemetry({}))) as made:
        made.headers["Accept"] = "text/html"
        sign_in(made, home, Role.ADMIN)
        yield made
