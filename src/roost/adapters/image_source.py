"""A registry elsewhere, only read: which manifest an image's name stands for, and the content of its blobs.

Used by imports, in a pod of their own that holds the credentials. Only https is spoken, also after a redirect and for
tokens; what is read at once is bounded, and every content is compared with its digest.
Sources: https://github.com/opencontainers/distribution-spec/blob/main/spec.md ("Pull"),
https://distribution.github.io/distribution/spec/auth/token/ (token authentication).

    ImageFailed     it cannot be had; `reason` is CamelCase, the text is for the project's owner
"""

import base64
import hashlib
import json
import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlencode, urljoin, urlsplit

import httpx2

INDEXES: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFESTS: Final = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
MAX_MANIFEST: Final = 4 << 20  # Bytes, as registries bound it.
MAX_LAYERS: Final = 200
MAX_BLOB: Final = 3 << 30  # Bytes of one layer.
MAX_IMAGE: Final = 10 << 30  # Bytes of all layers.
REDIRECTS: Final = 5
TIMEOUT_S: Final = 60.0
CHUNK: Final = 1 << 20
_DIGEST: Final = re.compile(r"sha256:[a-f0-9]{64}\Z")
_CHALLENGE: Final = re.compile(r'([a-z]+)="([^"]*)"')
_HUB: Final = "docker.io"  # The one registry that answers under another name than its images have.


class ImageFailed(Exception):
    """The image cannot be had."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Blob:
    """One content that a manifest names; `size` in bytes."""

    digest: str
    size: int


@dataclass(frozen=True)
class Found:
    """The manifest of one platform: its bytes, media type, digest, and the blobs that it needs. `named`: the digest
    that the image's name stands for, which may be an index.
    """

    content: bytes
    media_type: str
    digest: str
    blobs: tuple[Blob, ...]
    named: str


@dataclass(frozen=True)
class Login:
    """Name and password (or a token as the password), or a bearer token that counts as it is."""

    username: str = ""
    password: str = ""
    bearer: str = ""


class ImageSource:
    """One repository of a registry. A context manager."""

    def __init__(self, image: tuple[str, str], login: Login, trust: Path, proxy: str = "") -> None:
        host, repository = image
        if host == _HUB:
            host, repository = "registry-1.docker.io", repository if "/" in repository else f"library/{repository}"
        self._base = f"https://{host}"
        self._repository = repository
        self._login = login
        self._authorization = f"Bearer {login.bearer}" if login.bearer else ""
        self._http = httpx2.Client(
            verify=ssl.create_default_context(cafile=str(trust) if trust.exists() and trust.stat().st_size else None),
            trust_env=False,
            proxy=proxy or None,
            timeout=TIMEOUT_S,
            follow_redirects=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def find(self, reference: str, architecture: str) -> Found:
        """The manifest that a tag or digest stands for; of an index the one for linux and `architecture`."""
        content, media_type = self._manifest(reference)
        named = f"sha256:{hashlib.sha256(content).hexdigest()}"
        if media_type in INDEXES:
            digest = _of_platform(_json(content), architecture)
            content, media_type = self._manifest(digest)
            return Found(content, media_type, digest, _blobs(content, media_type), named)
        return Found(content, media_type, named, _blobs(content, media_type), named)

    def _manifest(self, reference: str) -> tuple[bytes, str]:
        accept = ", ".join([*MANIFESTS, *INDEXES])
        with self._get(f"/v2/{self._repository}/manifests/{reference}", accept) as answer:
            content = b""
            for chunk in answer.iter_bytes(CHUNK):
                content += chunk
                if len(content) > MAX_MANIFEST:
                    raise ImageFailed("ImageRefused", f"A manifest has {MAX_MANIFEST >> 20} MiB at most.")
            told = answer.headers.get("content-type", "").partition(";")[0].strip()
        if _DIGEST.match(reference) and reference != f"sha256:{hashlib.sha256(content).hexdigest()}":
            raise ImageFailed("ImageRefused", f"The registry gave something else than {reference[:19]}.")
        return content, str(_json(content).get("mediaType") or told)

    def save(self, blob: Blob, target: Path) -> None:
        """Write a blob's content into a file. ImageFailed where it is not what the manifest says."""
        seen, total = hashlib.sha256(), 0
        with self._get(f"/v2/{self._repository}/blobs/{blob.digest}", "*/*") as answer, target.open("wb") as file:
            for chunk in answer.iter_raw(CHUNK):
                total += len(chunk)
                if total > blob.size:
                    break
                seen.update(chunk)
                file.write(chunk)
        if total != blob.size or f"sha256:{seen.hexdigest()}" != blob.digest:
            raise ImageFailed("ImageRefused", f"The registry gave something else than {blob.digest[:19]}.")

    @contextmanager
    def _get(self, path: str, accept: str) -> Iterator[httpx2.Response]:
        """An answer of status 200, over redirects; signed in where the registry asks for it."""
        url, asked, signed = f"{self._base}{path}", 0, False
        while True:
            own = url.startswith(f"{self._base}/")
            headers = {"Accept": accept, "Accept-Encoding": "identity"}
            if self._authorization and own:
                headers["Authorization"] = self._authorization
            try:
                with self._http.stream("GET", url, headers=headers) as answer:
                    if answer.status_code == 200:
                        yield answer
                        return
                    status, told = answer.status_code, dict(answer.headers)
            except httpx2.HTTPError as error:
                raise ImageFailed("Unreachable", f"The registry cannot be reached: {error}") from error
            if status == 401 and own and not signed and not self._login.bearer:
                self._sign_in(told.get("www-authenticate", ""))
                signed = True
            elif status in (301, 302, 303, 307, 308) and told.get("location") and asked < REDIRECTS:
                url, asked = _https(urljoin(url, told["location"])), asked + 1
            else:
                raise _refusal(status, path)

    def _sign_in(self, challenge: str) -> None:
        """What the registry asks for: Basic, or a token from where it says."""
        scheme, _, rest = challenge.partition(" ")
        basic = f"{self._login.username}:{self._login.password}"
        authorization = f"Basic {base64.b64encode(basic.encode()).decode()}"
        if scheme.lower() == "basic":
            self._authorization = authorization if self._login.password else ""
            return
        asked = dict(_CHALLENGE.findall(rest))
        if scheme.lower() != "bearer" or not asked.get("realm"):
            raise ImageFailed("CredentialsRefused", "The registry asks for a way to sign in that is not spoken here.")
        query = urlencode(
            {"service": asked.get("service", ""), "scope": f"repository:{self._repository}:pull"}, safe=":/,"
        )
        realm = _https(asked["realm"])
        headers = {"Authorization": authorization} if self._login.password else {}
        try:
            with self._http.stream("GET", f"{realm}{'&' if '?' in realm else '?'}{query}", headers=headers) as answer:
                content = next(answer.iter_bytes(MAX_MANIFEST), b"")
                status = answer.status_code
        except httpx2.HTTPError as error:
            raise ImageFailed("Unreachable", f"The registry's token service cannot be reached: {error}") from error
        if status != 200:
            raise _refusal(401, "the token")
        said = _json(content)
        self._authorization = f"Bearer {said.get('token') or said.get('access_token') or ''}"


def _https(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" or parts.username is not None:
        raise ImageFailed("ImageRefused", f"The registry leads to {url[:100]!r}, and only https is spoken here.")
    return url


def _refusal(status: int, what: str) -> ImageFailed:
    if status in (401, 403):
        words = "The registry refuses the credentials, or asks for some: `roost source credentials`."
        return ImageFailed("CredentialsRefused", words)
    if status == 404:
        return ImageFailed("ImageMissing", "The registry has no such image, or does not show it to these credentials.")
    return ImageFailed("Unreachable", f"The registry answers {status} for {what[:100]}.")


def _json(content: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ImageFailed("ImageRefused", "The registry's answer is no manifest.") from error
    if not isinstance(found, dict):
        raise ImageFailed("ImageRefused", "The registry's answer is no manifest.")
    return found


def _of_platform(index: Mapping[str, Any], architecture: str) -> str:
    for item in index.get("manifests") or ():
        platform = item.get("platform") if isinstance(item, dict) else None
        if isinstance(platform, dict) and (platform.get("os"), platform.get("architecture")) == ("linux", architecture):
            digest = str(item.get("digest"))
            if _DIGEST.match(digest) and str(item.get("mediaType")) in MANIFESTS:
                return digest
    raise ImageFailed("ImageRefused", f"The image is not made for linux/{architecture}.")


def _blobs(content: bytes, media_type: str) -> tuple[Blob, ...]:
    """Configuration and layers. ImageFailed where it is no image that can be copied."""
    manifest = _json(content)
    layers = manifest.get("layers")
    named = [manifest.get("config"), *(layers if isinstance(layers, list) else [])]
    if media_type not in MANIFESTS or len(named) > MAX_LAYERS:
        raise ImageFailed("ImageRefused", f"This is no image of at most {MAX_LAYERS} layers.")
    found = []
    for item in named:
        if not isinstance(item, dict) or item.get("urls"):
            raise ImageFailed("ImageRefused", "A layer of the image lies elsewhere, or is none.")
        digest, size = str(item.get("digest")), item.get("size")
        if not _DIGEST.match(digest) or not isinstance(size, int) or not 0 <= size <= MAX_BLOB:
            raise ImageFailed("ImageRefused", f"A layer of the image is larger than {MAX_BLOB >> 30} GiB, or is none.")
        found.append(Blob(digest, size))
    if sum(blob.size for blob in found) > MAX_IMAGE:
        raise ImageFailed("ImageRefused", f"The image is larger than {MAX_IMAGE >> 30} GiB.")
    return tuple(dict.fromkeys(found))
