"""What a request to the git server is: parsed from ASGI's scope, checked before git sees any of it."""

import base64
import binascii
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from roost.gitserver.repositories import Name, NoRepository
from roost.surface import fetch_token

FETCH, PUSH = "git-upload-pack", "git-receive-pack"
IMPORT = "~import"  # No person's name: people have no such letter in theirs.
_PATH = re.compile(r"/([^/]+)/([^/]+)\.git/(info/refs|git-upload-pack|git-receive-pack)")
COMMIT = re.compile(r"[0-9a-f]{40,64}")
_PERSON = re.compile(r"[A-Za-z0-9._-]{1,63}")


class Refused(Exception):
    """A request that is not served: HTTP status and a sentence for the person at the other end."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class GitRequest:
    """One request that may be served. `service` is FETCH or PUSH; `advertise`: only the refs are asked for."""

    name: Name
    service: str
    advertise: bool
    person: str
    request_id: str
    headers: Mapping[str, str]

    def cgi(self) -> dict[str, str]:
        """The CGI variables that describe this request to `git http-backend`; nothing else of it passes."""
        path = "info/refs" if self.advertise else self.service
        return {
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": f"/{self.name}.git/{path}",
            "QUERY_STRING": f"service={self.service}" if self.advertise else "",
            "REQUEST_METHOD": "GET" if self.advertise else "POST",
            "CONTENT_TYPE": "" if self.advertise else f"application/x-{self.service}-request",
            "HTTP_CONTENT_ENCODING": "gzip" if self.headers.get("content-encoding") in ("gzip", "x-gzip") else "",
            "GIT_PROTOCOL": "version=2" if self.headers.get("git-protocol") == "version=2" else "",
            "REMOTE_USER": self.person,
            "REMOTE_ADDR": "roost",
        }


def parse(method: str, path: str, query: str, headers: Mapping[str, str]) -> GitRequest:
    """The request, not yet authenticated (`person` is empty). `headers` in lower case. Refused where it is none."""
    found = _PATH.fullmatch(path)
    if not found:
        raise Refused(404, "There is no repository here: the address is /<tenant>/<project>.git")
    try:
        name = Name.parse(found[1], found[2])
    except NoRepository as error:
        raise Refused(404, f"There is no repository {found[1]}/{found[2]}.") from error
    advertise = found[3] == "info/refs"
    if method != ("GET" if advertise else "POST"):
        raise Refused(405, "This address takes another method.")
    service = query.removeprefix("service=") if advertise else found[3]
    if service not in (FETCH, PUSH):
        raise Refused(403, "Only git's smart protocol is spoken here: use git 1.6.6 or later.")
    if not advertise and headers.get("content-type") != f"application/x-{service}-request":
        raise Refused(415, "This address takes the requests of a git client.")
    return GitRequest(name, service, advertise, "", headers.get("x-roost-request-id", "")[:64], headers)


def authenticate(request: GitRequest, secret: str, now: datetime) -> str:
    """Who asks: the person whom the API names, `run` with a token to fetch, IMPORT with one to push; else Refused."""
    headers = request.headers
    if headers.get("x-roost-shared", ""):
        return vouched(headers, request.name, secret)
    token = token_of(headers)
    name = request.name
    where = (name.tenant, name.project)
    if token and request.service == FETCH and fetch_token.opens(secret, token, where, now):
        return "run"
    # An import compares with what is there before it pushes.
    if token and fetch_token.opens(secret, token, where, now, fetch_token.PUSH):
        return IMPORT
    raise Refused(401, "Sign in at the API; run pods bring a token for one repository.")


def vouched(headers: Mapping[str, str], name: Name, secret: str) -> str:
    """The person for whom the API asks about this repository; else Refused."""
    if not hmac.compare_digest(headers.get("x-roost-shared", "").encode(), secret.encode()):
        raise Refused(403, "This is not the API.")
    if (headers.get("x-roost-tenant"), headers.get("x-roost-project")) != (name.tenant, name.project):
        raise Refused(403, "The API vouches for another repository.")
    person = headers.get("x-roost-person", "")
    if not _PERSON.fullmatch(person):
        raise Refused(403, "The API names no person.")
    return person


def token_of(headers: Mapping[str, str]) -> str:
    """The token of a Bearer or Basic authorization; empty: none."""
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""
