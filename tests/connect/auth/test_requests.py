"""Token requests: the standard, and what each vendor wants otherwise, as data."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl, urlsplit

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwk, jwt
from pydantic import ValidationError

from meterstone.connect.auth.credentials import Credentials, Token
from meterstone.connect.auth.spec import AuthSpec
from meterstone.connect.auth.token_requests import TokenRequests
from meterstone.errors import InputError

from .parts import NOW, SECRETS, requests, spec, token


def fields(request):
    if request.headers["content-type"] == "application/json":
        return json.loads(request.content)
    return dict(parse_qsl(request.content.decode(), keep_blank_values=True))


def exchange(**changes):
    return requests(spec(**changes)).exchange(code="c", redirect_uri="https://h/cb", verifier="v")


STANDARD = {
    "grant_type": "authorization_code",
    "code": "c",
    "redirect_uri": "https://h/cb",
    "code_verifier": "v",
}


def test_the_browser_is_sent_with_pkce_and_state():
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"  # of RFC 7636, appendix B
    url = urlsplit(
        requests(spec(authorize={"session": "false"})).authorization_url(
            state="s", redirect_uri="https://h/cb", verifier=verifier
        )
    )
    assert f"{url.scheme}://{url.netloc}{url.path}" == "https://acme.example/authorize"
    assert dict(parse_qsl(url.query)) == {
        "response_type": "code",
        "client_id": "hub",
        "redirect_uri": "https://h/cb",
        "scope": "rows.read",
        "state": "s",
        "session": "false",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method": "S256",
    }


def test_the_client_names_itself_in_the_body():
    assert fields(exchange()) == {**SECRETS, **STANDARD}


def test_the_client_names_itself_in_a_header():
    request = exchange(client="basic")
    assert request.headers["authorization"] == "Basic aHViOnZlcnktc2VjcmV0LXZhbHVl"
    assert fields(request) == STANDARD


def test_json_without_a_grant_type():
    """As Clover wants it: JSON, no grant_type, another address to refresh at, without secret."""
    clover = spec(
        body="json",
        exchange={"omit": ["grant_type", "redirect_uri"]},
        refresh={"url": "{base_url}/refresh", "omit": ["grant_type"], "client": "id"},
    )
    first = requests(clover).exchange(code="c", redirect_uri="https://h/cb", verifier="v")
    assert fields(first) == {**SECRETS, "code": "c", "code_verifier": "v"}
    next_ = requests(clover).refresh(token())
    assert str(next_.url) == "https://acme.example/refresh"
    assert fields(next_) == {"client_id": "hub", "refresh_token": "refresh-0"}


def test_a_refresh_by_the_standard():
    assert fields(requests().refresh(token())) == {
        **SECRETS,
        "grant_type": "refresh_token",
        "refresh_token": "refresh-0",
    }


def test_client_credentials_of_a_tenant():
    entra = AuthSpec.model_validate(
        {
            "kind": "client_credentials",
            "token_url": "https://login.example/{tenant}/oauth2/v2.0/token",
            "scopes": ["https://api.example/.default"],
        }
    )
    request = requests(entra, tenant="T/1").grant(NOW)
    assert str(request.url) == "https://login.example/T%2F1/oauth2/v2.0/token"
    assert fields(request) == {
        **SECRETS,
        "grant_type": "client_credentials",
        "scope": "https://api.example/.default",
    }


def test_a_signed_assertion():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    of = AuthSpec.model_validate(
        {
            "kind": "signed_jwt",
            "token_url": "{base_url}/token",
            "jwt": {"audience": "{base_url}", "claims": {"org": "{org}"}},
        }
    )
    given = Credentials({"client_id": "hub", "username": "ana", "private_key": pem})
    values = {"base_url": "https://acme.example", "org": "O1"}
    sent = fields(TokenRequests(of, values, given).grant(NOW))
    assert sent["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assert "client_id" not in sent
    public = jwk.RSAKey.import_key(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    claims = dict(jwt.decode(sent["assertion"], public).claims)
    assert claims.pop("jti")
    assert claims == {
        "iss": "hub", "sub": "ana", "aud": "https://acme.example", "org": "O1",
        "iat": int(NOW.timestamp()), "exp": int(NOW.timestamp()) + 180,
    }  # fmt: skip


@pytest.mark.parametrize("key", ["no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n"])
def test_a_key_that_is_none_is_not_shown(key):
    of = AuthSpec.model_validate(
        {"kind": "signed_jwt", "token_url": "{base_url}/t", "jwt": {"audience": "x"}}
    )
    given = Credentials({"client_id": "hub", "private_key": key})
    with pytest.raises(InputError, match="no PEM key for RS256") as refused:
        TokenRequests(of, {"base_url": "https://a"}, given).grant(NOW)
    assert key not in str(refused.value)
    assert refused.value.__suppress_context__


def test_a_session_by_a_personal_access_token():
    tableau = AuthSpec.model_validate(
        {
            "kind": "personal_access_token",
            "sign_in": {
                "url": "{base_url}/auth/signin",
                "body": {
                    "credentials": {
                        "personalAccessTokenName": "{token_name}",
                        "personalAccessTokenSecret": "{token_secret}",
                        "site": {"contentUrl": "{site}"},
                    }
                },
            },
            "sign_out": {
                "url": "{base_url}/auth/signout",
                "headers": {"X-Tableau-Auth": "{token}"},
            },
            "send": {"header": "X-Tableau-Auth", "value": "{token}"},
        }
    )
    given = Credentials({"token_name": "n", "token_secret": "s{x}"})
    made = TokenRequests(tableau, {"base_url": "https://t/api", "site": ""}, given)
    assert json.loads(made.grant(NOW).content) == {
        "credentials": {
            "personalAccessTokenName": "n",
            "personalAccessTokenSecret": "s{x}",
            "site": {"contentUrl": ""},
        }
    }
    out = made.give_back(Token(access="T", issued_at=NOW))
    assert out.headers["x-tableau-auth"] == "T"
    assert made.secrets == ("s{x}",)


def test_revocation_in_a_vendors_own_form():
    square = spec(
        revoke={
            "url": "{base_url}/revoke",
            "headers": {"Authorization": "Client {client_secret}"},
            "body": {"client_id": "{client_id}", "access_token": "{token}"},
        }
    )
    request = requests(square).give_back(token())
    assert request.headers["authorization"] == f"Client {SECRETS['client_secret']}"
    assert fields(request) == {"client_id": "hub", "access_token": "access-0"}
    assert requests().give_back(token()) is None


def test_a_value_that_is_missing_is_named():
    with pytest.raises(InputError, match=r"\{base_url\} has no value"):
        TokenRequests(spec(), {}, Credentials(SECRETS)).refresh(token())


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"kind": "authorization_code", "token_url": "x"}, "needs authorize_url"),
        ({"kind": "api_key", "pkce": "S256"}, "pkce means nothing for kind api_key"),
        ({"kind": "session"}, "needs sign_in"),
        ({"kind": "signed_jwt", "token_url": "x"}, "needs jwt"),
        ({"kind": "client_credentials", "token_url": "http://a.example/t"}, "must be https"),
        ({"kind": "none", "tokens": {}}, "Extra inputs are not permitted"),
        ({"kind": "api_key", "send": {"query": "key"}}, "Extra inputs are not permitted"),
    ],
)
def test_a_section_that_is_wrong(section, said):
    with pytest.raises(ValidationError, match=said):
        AuthSpec.model_validate(section)
