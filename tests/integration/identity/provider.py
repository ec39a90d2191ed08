"""A real OpenID provider, built with Authlib: code flow with PKCE, a confidential client, RS256. For tests.

Whoever comes to its authorization endpoint is signed in as `subject`. `forge` lets a test send another id token.
"""

import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

import uvicorn
from authlib.oauth2.rfc6749 import AuthorizationServer, OAuth2Payload, OAuth2Request
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import UserInfo
from authlib.oidc.core.grants import OpenIDCode
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

CLIENT_ID, CLIENT_SECRET = "roost", "a secret between the two"
Forge = Callable[[dict[str, Any], RSAKey], str]


class _Payload(OAuth2Payload):  # type: ignore[misc]  # Authlib has no types.
    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = pairs

    @property
    def data(self) -> dict[str, str]:
        return dict(self._pairs)

    @property
    def datalist(self) -> defaultdict[str, list[str]]:
        found: defaultdict[str, list[str]] = defaultdict(list)
        for key, value in self._pairs:
            found[key].append(value)
        return found


class _Asked(OAuth2Request):  # type: ignore[misc]
    """A request as Authlib reads it. Authlib asks for TLS, which the tests' loopback has not."""

    def __init__(self, method: str, query: list[tuple[str, str]], body: list[tuple[str, str]], headers: Any) -> None:
        super().__init__(method, f"https://provider.example/?{urlencode(query)}", headers=headers)
        self.payload = _Payload([*query, *body])
        self._query, self._body = dict(query), dict(body)

    @property
    def args(self) -> dict[str, str]:
        return self._query

    @property
    def form(self) -> dict[str, str]:
        return self._body


@dataclass
class Client:
    """The one client: Roost."""

    redirect_uri: str = ""

    def get_client_id(self) -> str:
        return CLIENT_ID

    def get_default_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri == self.redirect_uri

    def check_client_secret(self, client_secret: str) -> bool:
        return secrets.compare_digest(client_secret, CLIENT_SECRET)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == "client_secret_basic"

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


@dataclass
class Code:
    """An authorization code that was given out."""

    redirect_uri: str
    scope: str
    nonce: str | None
    code_challenge: str | None
    code_challenge_method: str | None
    subject: str

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def get_nonce(self) -> str | None:
        return self.nonce

    def get_auth_time(self) -> int:
        return int(time.time())

    def get_acr(self) -> None:
        return None

    def get_amr(self) -> None:
        return None


@dataclass
class Account:
    """Somebody at the provider."""

    subject: str
    claims: dict[str, Any]

    def get_user_id(self) -> str:
        return self.subject


@dataclass
class RealProvider:
    """The provider; `issuer` is where it runs."""

    issuer: str = ""
    client: Client = field(default_factory=Client)
    accounts: dict[str, Account] = field(default_factory=dict)
    subject: str = ""
    forge: Forge | None = None
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "first", "use": "sig"}))
    codes: dict[str, Code] = field(default_factory=dict)
    server: uvicorn.Server | None = None

    def sign_in(self, subject: str, **claims: Any) -> None:
        """Who comes next is this one."""
        self.accounts[subject] = Account(subject, {"email_verified": True, **claims})
        self.subject = subject

    def application(self) -> Starlette:
        """Its three endpoints and its keys."""
        flow = _flow(self)

        async def asked(request: Request) -> _Asked:
            body = parse_qsl((await request.body()).decode(), keep_blank_values=True)
            return _Asked(request.method, parse_qsl(request.url.query), body, request.headers)

        async def authorize(request: Request) -> Response:
            oauth = await asked(request)
            grant = flow.get_consent_grant(oauth, end_user=self.accounts[self.subject])
            answer: Response = flow.create_authorization_response(
                oauth, grant_user=self.accounts[self.subject], grant=grant
            )
            return answer

        async def token(request: Request) -> Response:
            answer: Response = flow.create_token_response(await asked(request))
            return answer

        async def metadata(_: Request) -> Response:
            return JSONResponse(
                {
                    "issuer": self.issuer,
                    "authorization_endpoint": f"{self.issuer}/authorize",
                    "token_endpoint": f"{self.issuer}/token",
                    "jwks_uri": f"{self.issuer}/keys",
                    "response_types_supported": ["code"],
                    "subject_types_supported": ["public"],
                    "id_token_signing_alg_values_supported": ["RS256"],
                }
            )

        async def keys(_: Request) -> Response:
            return JSONResponse({"keys": [self.key.as_dict(private=False)]})

        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", metadata),
                Route("/authorize", authorize),
                Route("/token", token, methods=["POST"]),
                Route("/keys", keys),
            ]
        )


def _flow(provider: RealProvider) -> Any:
    class Flow(AuthorizationServer):  # type: ignore[misc]
        def query_client(self, client_id: str) -> Client | None:
            return provider.client if client_id == CLIENT_ID else None

        def save_token(self, token: Any, request: Any) -> None:
            """Nothing asks for it again."""

        def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
            """Nobody listens."""

        def create_oauth2_request(self, request: Any) -> Any:
            return request

        def handle_response(self, status: int, body: Any, headers: Any) -> Response:
            held = dict(headers)
            held.pop("Content-Type", None)
            return JSONResponse(body, status, held) if isinstance(body, dict) else Response(body, status, held)

    flow = Flow()
    flow.register_token_generator(
        "default",
        lambda **given: {
            "token_type": "Bearer",
            "access_token": secrets.token_urlsafe(24),
            "expires_in": 600,
            "scope": given["scope"],
        },
    )
    flow.register_grant(_grant(provider), [CodeChallenge(required=True), _id_tokens(provider)])
    return flow


def _grant(provider: RealProvider) -> Any:
    class Grant(AuthorizationCodeGrant):  # type: ignore[misc]
        TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic",)

        def save_authorization_code(self, code: str, request: Any) -> None:
            data: Mapping[str, str] = request.payload.data
            provider.codes[code] = Code(
                request.payload.redirect_uri,
                request.payload.scope,
                data.get("nonce"),
                data.get("code_challenge"),
                data.get("code_challenge_method"),
                request.user.subject,
            )

        def query_authorization_code(self, code: str, client: Any) -> Code | None:
            return provider.codes.get(code)

        def delete_authorization_code(self, authorization_code: Code) -> None:
            for key in [key for key, held in provider.codes.items() if held is authorization_code]:
                del provider.codes[key]

        def authenticate_user(self, authorization_code: Code) -> Account:
            return provider.accounts[authorization_code.subject]

    return Grant


def _id_tokens(provider: RealProvider) -> Any:
    class Identity(OpenIDCode):  # type: ignore[misc]
        def exists_nonce(self, nonce: str, request: Any) -> bool:
            return any(code.nonce == nonce for code in provider.codes.values())

        def resolve_client_private_key(self, client: Any) -> Any:
            return provider.key

        def get_client_algorithm(self, client: Any) -> str:
            return "RS256"

        def get_encode_header(self, client: Any) -> dict[str, str]:
            return {"alg": "RS256", "kid": str(provider.key.kid)}

        def get_client_claims(self, client: Any) -> dict[str, Any]:
            return {"iss": provider.issuer, "aud": [CLIENT_ID]}

        def generate_user_info(self, user: Account, scope: str) -> UserInfo:
            return UserInfo(sub=user.subject, **user.claims)

        def encode_id_token(self, token: Any, request: Any) -> str:
            genuine: str = super().encode_id_token(token, request)
            if provider.forge is None:
                return genuine
            return provider.forge(dict(jwt.decode(genuine, provider.key).claims), provider.key)

    return Identity(require_nonce=True)
