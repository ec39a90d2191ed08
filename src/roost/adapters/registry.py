"""The image registry over HTTP (OCI distribution): reads, small uploads, and what refers to an image.

Used by builds (in a run's pod), by `up` on the node, and by the API in threads of its own. One connection is kept.
Source: https://github.com/opencontainers/distribution-spec/blob/main/spec.md, with its fallback for referrers: where
the registry has no API for them, they are an index with the tag `sha256-<digest>`.

    RegistryFailed      the registry did not answer as it should; the text says what was asked
"""

import hashlib
import http.client
import json
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, cast

MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
INDEX: Final = "application/vnd.oci.image.index.v1+json"
EMPTY: Final = "application/vnd.oci.empty.v1+json"
ACCEPTED: Final = f"{MANIFEST}, {INDEX}, application/vnd.docker.distribution.manifest.v2+json"
TRIES: Final = 120  # A registry that died is there again within seconds.
PAUSE_S: Final = 0.5
LIMIT: Final = 32 << 20  # Bytes of what is read at once.
TIMEOUT_S: Final = 20
Connect = Callable[[], http.client.HTTPConnection]


class RegistryFailed(Exception):
    """The registry did not answer as it should; the text says what was asked."""


@dataclass(frozen=True)
class Answer:
    """An answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def over_tls(host: str, ca: str) -> Connect:
    """Connections to `host` (host:port), TLS by the authority in the file `ca`, never through a proxy."""
    context = ssl.create_default_context(cafile=ca)
    return lambda: http.client.HTTPSConnection(host, timeout=TIMEOUT_S, context=context)


def digest_of(content: bytes) -> str:
    """`sha256:...`."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    """How a manifest names a content."""
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


class Registry:
    """The registry behind `connect`, with an access token. `pause` waits so many seconds between two tries."""

    def __init__(self, connect: Connect, token: str, pause: Callable[[float], object], tries: int = TRIES) -> None:
        self._connect = connect
        self._token = token
        self._pause = pause
        self._tries = tries
        self._kept: http.client.HTTPConnection | None = None

    def close(self) -> None:
        """End the connection."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def _once(self, method: str, path: str, body: bytes | Path, headers: Mapping[str, str]) -> http.client.HTTPResponse:
        self._kept = self._kept or self._connect()
        told = {"Authorization": f"Bearer {self._token}", **headers}
        if isinstance(body, Path):
            with body.open("rb") as file:
                told["Content-Length"] = str(body.stat().st_size)
                self._kept.request(method, path, body=file, headers=told)
        else:
            self._kept.request(method, path, body=body or None, headers=told)
        return self._kept.getresponse()

    def _try(self, method: str, path: str, body: bytes | Path, headers: Mapping[str, str]) -> http.client.HTTPResponse:
        """The answer, whatever it says, unless the registry is not there; RegistryFailed when it stays away."""
        problem = ""
        for _ in range(self._tries):
            try:
                answer = self._once(method, path, body, headers)
            except (OSError, http.client.HTTPException) as error:
                problem = f"The registry did not answer for {path}: {error or type(error).__name__}"
            else:
                if answer.status < 500:
                    return answer
                problem = f"The registry answered {answer.status} for {path}."
            self.close()
            self._pause(PAUSE_S)
        raise RegistryFailed(problem)

    def send(self, method: str, path: str, body: bytes | Path = b"", **headers: str) -> Answer:
        """One exchange; `path` begins with /v2/. Keywords are headers, `Content_Type` for example."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self._try(method, path, body, named)
        try:
            content = answer.read(LIMIT + 1)
            if len(content) > LIMIT:
                raise RegistryFailed(f"The registry's answer for {path} is longer than {LIMIT >> 20} MiB.")
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise RegistryFailed(f"The registry's answer for {path} broke off: {error}") from error
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, content)

    def read(self, path: str, accept: str = "*/*") -> bytes | None:
        """What stands at /v2/`path`; None where there is nothing. RegistryFailed."""
        answer = self.send("GET", f"/v2/{path}", Accept=accept)
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise RegistryFailed(f"The registry answered {answer.status} for {path}.")
        return answer.body

    def load(self, path: str, accept: str = "application/json") -> dict[str, Any] | None:
        """The JSON object at /v2/`path`; None where there is none. RegistryFailed."""
        found = self.read(path, accept)
        if found is None:
            return None
        try:
            loaded = json.loads(found)
        except ValueError as error:
            raise RegistryFailed(f"The registry's answer for {path} is no JSON: {error}") from error
        return loaded if isinstance(loaded, dict) else None

    def manifest(self, repository: str, reference: str) -> dict[str, Any] | None:
        """A manifest or an index, by tag or digest."""
        return self.load(f"{repository}/manifests/{reference}", ACCEPTED)

    def resolve(self, repository: str, tag: str) -> str:
        """The digest that a tag names; empty where there is none."""
        answer = self.send("HEAD", f"/v2/{repository}/manifests/{tag}", Accept=ACCEPTED)
        return answer.headers.get("docker-content-digest", "") if answer.status == 200 else ""

    @contextmanager
    def blob(self, repository: str, digest: str) -> Iterator[IO[bytes]]:
        """The content of a blob as a stream. RegistryFailed where there is none."""
        answer = self._try("GET", f"/v2/{repository}/blobs/{digest}", b"", {})
        try:
            if answer.status != 200:
                raise RegistryFailed(f"The registry answered {answer.status} for {repository}@{digest[:19]}.")
            yield cast(IO[bytes], answer)
        finally:
            self.close()  # It need not have been read to its end.

    def put_blob(self, repository: str, content: bytes) -> None:
        """Upload a content, unless it is there. RegistryFailed."""
        digest = digest_of(content)
        if self.send("HEAD", f"/v2/{repository}/blobs/{digest}").status == 200:
            return
        self._upload(repository, digest, content)

    def _upload(self, repository: str, digest: str, content: bytes | Path) -> None:
        place = self.send("POST", f"/v2/{repository}/blobs/uploads/").headers.get("location", "")
        if not place:
            raise RegistryFailed(f"The registry takes no upload to {repository}.")
        path = place if place.startswith("/") else "/" + place.partition("://")[2].partition("/")[2]
        path += f"{'&' if '?' in path else '?'}digest={digest}"
        done = self.send("PUT", path, content, Content_Type="application/octet-stream")
        if done.status != 201:
            raise RegistryFailed(f"The registry answered {done.status} to an upload to {repository}.")

    def put_file(self, repository: str, path: Path, media_type: str) -> dict[str, Any]:
        """Upload a file as a blob, unless it is there; its descriptor. RegistryFailed."""
        with path.open("rb") as file:
            digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        if self.send("HEAD", f"/v2/{repository}/blobs/{digest}").status != 200:
            self._upload(repository, digest, path)
        return {"mediaType": media_type, "digest": digest, "size": path.stat().st_size}

    def put_layers(self, repository: str, kind: str, layers: Sequence[Mapping[str, Any]], tag: str) -> dict[str, Any]:
        """An artefact of the type `kind` made of blobs that are there, named `tag`; its descriptor. RegistryFailed."""
        self.put_blob(repository, b"{}")
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": kind,
            "config": descriptor(EMPTY, b"{}"),
            "layers": [dict(layer) for layer in layers] or [descriptor(EMPTY, b"{}")],
        }
        return self.put_manifest(repository, tag, manifest)

    def put_manifest(self, repository: str, reference: str, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Upload a manifest or an index; its descriptor. RegistryFailed."""
        content = json.dumps(manifest, sort_keys=True).encode()
        media_type = str(manifest["mediaType"])
        path = f"/v2/{repository}/manifests/{reference or digest_of(content)}"
        done = self.send("PUT", path, content, Content_Type=media_type)
        if done.status != 201:
            raise RegistryFailed(f"The registry answered {done.status} to a manifest of {repository}.")
        return descriptor(media_type, content)

    def put_artefact(
        self, repository: str, kind: str, content: bytes, *, subject: str = "", tag: str = ""
    ) -> dict[str, Any]:
        """Upload a content as an artefact of the type `kind`, named `tag` or only by digest; its descriptor.

        `subject`: the digest of a manifest in this repository that it is about.
        """
        for blob in (b"{}", content):
            self.put_blob(repository, blob)
        manifest: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": kind,
            "config": descriptor(EMPTY, b"{}"),
            "layers": [descriptor(kind, content)],
        }
        if subject:
            about = self.read(f"{repository}/manifests/{subject}", ACCEPTED)
            if about is None:
                raise RegistryFailed(f"The registry has no {repository}@{subject}.")
            manifest["subject"] = descriptor(str(json.loads(about).get("mediaType", MANIFEST)), about)
        made = self.put_manifest(repository, tag, manifest) | {"artifactType": kind}
        if subject:
            self.refer(repository, subject, made)
        return made

    def refer(self, repository: str, subject: str, made: Mapping[str, Any]) -> None:
        """List an artefact among what is about `subject`, instead of another of its type. RegistryFailed."""
        kind = made["artifactType"]
        others = [item for item in self._referring(repository, subject) if item.get("artifactType") != kind]
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [*others, made]}
        self.put_manifest(repository, subject.replace(":", "-"), index)

    def _referring(self, repository: str, subject: str) -> list[dict[str, Any]]:
        index = self.load(f"{repository}/manifests/{subject.replace(':', '-')}", INDEX) or {}
        return [item for item in index.get("manifests") or () if isinstance(item, dict)]

    def artefact(self, repository: str, kind: str, *, subject: str = "", tag: str = "") -> bytes | None:
        """The content of the artefact of this type that is about `subject`, or that is named `tag`; None: none is."""
        reference = tag
        if subject:
            mine = [item for item in self._referring(repository, subject) if item.get("artifactType") == kind]
            reference = str(mine[0].get("digest", "")) if mine else ""
        manifest = self.load(f"{repository}/manifests/{reference}", MANIFEST) if reference else None
        layers = (manifest or {}).get("layers") or ()
        if not layers or layers[0].get("mediaType") != kind:
            return None
        return self.read(f"{repository}/blobs/{layers[0].get('digest')}")
