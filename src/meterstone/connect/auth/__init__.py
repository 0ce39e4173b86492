"""How connections sign in: OAuth 2.0 grants, keys, sessions, and the tokens they give.

`AuthSpec` is the ``auth`` section of a connector file; `Authorizer` is what the client of a vendor
uses; everything between is here.
"""

from meterstone.connect.auth.base import (
    AuthError,
    Authorizer,
    CredentialBroken,
    CredentialUnavailable,
    SignInRefused,
)
from meterstone.connect.auth.credentials import Credentials, Token
from meterstone.connect.auth.spec import AuthSpec

__all__ = [
    "AuthError",
    "AuthSpec",
    "Authorizer",
    "CredentialBroken",
    "CredentialUnavailable",
    "Credentials",
    "SignInRefused",
    "Token",
]
