"""A stand-in of Power BI: one workspace that takes push datasets, with their limits, refreshes and
their history, and the sign-in of Microsoft Entra for a service principal."""

from __future__ import annotations

from datetime import timedelta
from uuid import NAMESPACE_URL, uuid5

from starlette.responses import JSONResponse, Response

from meterstone.sandbox.kit import (
    Account,
    Accounts,
    Books,
    Clock,
    Faults,
    Limits,
    Rules,
    Vendor,
    token,
)
from meterstone.sandbox.powerbi.api import routes
from meterstone.sandbox.powerbi.workspace import Workspace

TOKEN_LIFE = timedelta(seconds=3599)


def vendor(_books: Books, seed: int) -> Vendor:
    """The stand-in; it holds what is published to it."""
    clock = Clock()
    accounts = Accounts(clock, Rules(access=TOKEN_LIFE, pkce="none"), seed=seed, name="powerbi")
    tenant, group, app = (_guid(seed, name) for name in ("tenant", "workspace", "application"))
    client = accounts.register(id_=app, secret=token(seed, "powerbi", "secret", length=40))
    workspace = Workspace(group, clock)
    granted = accounts.grant(tenant, client.id)
    return Vendor(
        name="powerbi",
        title="Power BI",
        clock=clock,
        faults=Faults(clock, seed=seed, accounts=accounts),
        routes=routes(workspace, accounts, tenant),
        entities={"dataset": workspace.datasets},
        listed=[
            Account(
                tenant,
                "Simulated tenant",
                granted.access,
                more={"tenant": tenant, "workspace": group},
            )
        ],
        client=client,
        accounts=accounts,
        limits=Limits(clock),
        settings=("base_url", "login_url"),
        trouble=_trouble,
    )


def _guid(seed: int, name: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"powerbi:{seed}:{name}"))


def _trouble(status: int, after_s: float | None) -> Response:
    code = "TooManyRequests" if status == 429 else "InternalServerError"
    headers = {} if after_s is None else {"retry-after": f"{after_s:.0f}"}
    return JSONResponse({"error": {"code": code, "message": code}}, status, headers)
