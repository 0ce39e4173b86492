"""Square's sign-in: tokens, their revocation and status, and who may read what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from meterstone.sandbox.kit import Accounts, Refused
from meterstone.sandbox.kit.clock import rfc3339
from meterstone.sandbox.square.asking import body_of
from meterstone.sandbox.square.errors import Wrong, invalid

SCOPES = (
    "MERCHANT_PROFILE_READ", "PAYMENTS_READ", "ORDERS_READ", "CUSTOMERS_READ", "EMPLOYEES_READ",
    "APPOINTMENTS_READ", "APPOINTMENTS_ALL_READ", "PAYOUTS_READ",
)  # fmt: skip
_SHORT = timedelta(hours=24)


@dataclass(frozen=True)
class SignIn:
    """The token endpoints."""

    accounts: Accounts

    def routes(self) -> list[BaseRoute]:
        """Everything but the page of consent."""
        return [
            Route("/oauth2/token", self._token, methods=["POST"]),
            Route("/oauth2/revoke", self._revoke, methods=["POST"]),
            Route("/oauth2/token/status", self._status, methods=["POST"]),
        ]

    def allowed(self, request: Request, scope: str = "") -> None:
        """Refuse a request without a token that is valid and has the scope."""
        kind, _, access = request.headers.get("authorization", "").partition(" ")
        try:
            held = self.accounts.check(access if kind.lower() == "bearer" else "")
        except Refused as refused:
            code = {
                "expired": "ACCESS_TOKEN_EXPIRED", "revoked": "ACCESS_TOKEN_REVOKED",
            }.get(refused.why, "UNAUTHORIZED")  # fmt: skip
            raise Wrong(401, "AUTHENTICATION_ERROR", code, refused.detail) from refused
        if scope and held.scopes and scope not in held.scopes:
            raise Wrong(
                403, "AUTHENTICATION_ERROR", "INSUFFICIENT_SCOPES",
                f"The merchant has not given permission {scope}.",
            )  # fmt: skip

    async def _token(self, request: Request) -> Response:
        asked = await body_of(request)
        id_, secret = str(asked.get("client_id", "")), asked.get("client_secret")
        try:
            match asked.get("grant_type"):
                case "authorization_code":
                    held = self.accounts.exchange(
                        id_, secret, str(asked.get("code", "")), asked.get("redirect_uri"),
                        str(asked.get("code_verifier", "")),
                    )  # fmt: skip
                case "refresh_token":
                    held = self.accounts.refresh(id_, secret, str(asked.get("refresh_token", "")))
                case other:
                    raise invalid("INVALID_VALUE", f"grant_type {other!r}", "grant_type")
        except Refused as refused:
            raise Wrong(401, "AUTHENTICATION_ERROR", "UNAUTHORIZED", refused.detail) from refused
        short = bool(asked.get("short_lived", False))
        if short:
            held.access_until = min(held.access_until, held.issued_at + _SHORT)
        answer: dict[str, Any] = {
            "access_token": held.access,
            "token_type": "bearer",
            "expires_at": rfc3339(held.access_until, digits=0),
            "merchant_id": held.account,
            "refresh_token": held.refresh,
            "short_lived": short,
        }
        if held.public and held.refresh_until is not None:
            answer["refresh_token_expires_at"] = rfc3339(held.refresh_until, digits=0)
        return JSONResponse(answer)

    async def _revoke(self, request: Request) -> Response:
        asked = await body_of(request)
        kind, _, secret = request.headers.get("authorization", "").partition(" ")
        id_ = str(asked.get("client_id", ""))
        try:
            self.accounts.authenticate(id_, secret if kind.lower() == "client" else None)
        except Refused as refused:
            raise Wrong(401, "AUTHENTICATION_ERROR", "UNAUTHORIZED", refused.detail) from refused
        access = str(asked.get("access_token", ""))
        if asked.get("revoke_only_access_token"):
            self.accounts.revoke(access=access, family=False)
        else:
            account = asked.get("merchant_id") or self.accounts.holder(access)
            if account is None:
                raise Wrong(404, "INVALID_REQUEST_ERROR", "NOT_FOUND", "The token is not known.")
            self.accounts.revoke_account(account, id_)
        return JSONResponse({"success": True})

    async def _status(self, request: Request) -> Response:
        self.allowed(request)
        held = self.accounts.check(request.headers["authorization"].partition(" ")[2])
        told: dict[str, Any] = {
            "scopes": list(held.scopes), "expires_at": rfc3339(held.access_until, digits=0),
            "client_id": held.client, "merchant_id": held.account,
        }  # fmt: skip
        return JSONResponse(told)
