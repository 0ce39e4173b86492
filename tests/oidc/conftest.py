"""The provider of a test session."""

from __future__ import annotations

import pytest

from .judge import available, judge

REDIRECT = "http://127.0.0.1:8765/oauth/callback/judge"


@pytest.fixture(scope="session")
def provider():
    if not available():
        pytest.skip("no node and npm here; apt install nodejs npm")
    with judge(redirect_uris=[REDIRECT], access_s=60) as running:
        yield running
