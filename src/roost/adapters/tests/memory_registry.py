"""A registry in memory, as far as `roost.adapters.registry` speaks to it; for unit tests."""

import hashlib
import io
import json
from collections.abc import Mapping
from email.message import Message
from typing import IO, cast

from roost.adapters.registry import ACCEPTED, Connect, Registry


class Response(io.BytesIO):
    """As http.client gives it."""

    def __init__(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(body)
        self.status = status
        self.headers = Message()
        self._headers = dict(headers or {})

    def getheaders(self) -> list[tuple[str, str]]:
        """All headers."""
        return list(self._headers.items())


class MemoryRegistry:
    """Blobs and manifests by repository. `wrong`: answers or errors that come first, in turn."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, bytes] = {}
        self.wrong: list[int | Exception] = []
        self.asked: list[tuple[str, str, Mapping[str, str]]] = []
        self._next = Response(500)

    def registry(self, pauses: list[float] | None = None) -> Registry:
        """A client of it."""
        kept: list[float] = [] if pauses is None else pauses
        return Registry(cast(Connect, lambda: self), "token", kept.append, tries=5)

    def request(self, method: str, path: str, body: bytes | IO[bytes] | None, headers: Mapping[str, str]) -> None:
        """Take a request."""
        body = body if body is None or isinstance(body, bytes) else body.read(int(headers["Content-Length"]))
        self.asked.append((method, path, headers))
        if self.wrong:
            wrong = self.wrong.pop(0)
            if isinstance(wrong, Exception):
                raise wrong
            self._next = Response(wrong)
            return
        self._next = self._answer(method, path.removeprefix("/v2/"), body or b"", headers)

    def getresponse(self) -> Response:
        """Its answer."""
        return self._next

    def close(self) -> None:
        """Nothing is held."""

    def _answer(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Response:
        place, query, digest = path.partition("?digest=")
        repository, kind, name = (
            place.replace("/blobs/", " blobs ").replace("/manifests/", " manifests ").partition(" ")
        )
        kind, _, name = name.partition(" ")
        if kind == "manifests":
            return self._manifest(method, repository, name, body, headers)
        if kind == "blobs" and method == "POST":
            return Response(202, headers={"Location": f"/v2/{repository}/blobs/uploads/1"})
        if kind == "blobs" and method == "PUT" and query:
            assert digest == f"sha256:{hashlib.sha256(body).hexdigest()}"
            self.blobs[f"{repository}@{digest}"] = body
            return Response(201)
        found = self.blobs.get(f"{repository}@{name}")
        return Response(404) if found is None else Response(200, b"" if method == "HEAD" else found)

    def _manifest(self, method: str, repository: str, name: str, body: bytes, headers: Mapping[str, str]) -> Response:
        if method == "PUT":
            assert json.loads(body)["mediaType"] == headers["Content-Type"] in ACCEPTED
            digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
            self.manifests |= {f"{repository}@{digest}": body, f"{repository}@{name}": body}
            return Response(201)
        found = self.manifests.get(f"{repository}@{name}")
        if found is None:
            return Response(404)
        told = {"Docker-Content-Digest": f"sha256:{hashlib.sha256(found).hexdigest()}"}
        return Response(200, b"" if method == "HEAD" else found, told)
