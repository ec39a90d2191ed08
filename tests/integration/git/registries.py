"""A real registry with TLS, as an image's source and as the platform's own. Used by the contract of sources."""

import contextlib
import hashlib
import json
import platform
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import yaml

from roost.adapters.registry import MANIFEST, digest_of
from roost.builds.sources.image import ARCHITECTURES
from roost.node import engine
from tests.integration.git.sources import PASSWORD, USER, call, free_port, running

INDEX = "application/vnd.oci.image.index.v1+json"


@dataclass(frozen=True)
class Store:
    """A running registry. `host`: host:port; `ca`: what its certificate is trusted by."""

    host: str
    ca: Path
    auth: tuple[str, str] | None = None

    def send(self, method: str, path: str, content: bytes = b"", media_type: str = "") -> httpx2.Response:
        """One exchange as its owner."""
        url = path if path.startswith("https://") else f"https://{self.host}{path}"
        context = ssl.create_default_context(cafile=str(self.ca))
        headers = {"Content-Type": media_type} if media_type else {}
        answer = httpx2.request(
            method, url, content=content, headers=headers, verify=context, trust_env=False, auth=self.auth
        )
        assert answer.status_code < 400, f"{method} {url}: {answer.status_code} {answer.text}"
        return answer

    def blob(self, repository: str, content: bytes) -> dict[str, Any]:
        """Upload a content; its descriptor."""
        place = self.send("POST", f"/v2/{repository}/blobs/uploads/").headers["location"]
        place += f"{'&' if '?' in place else '?'}digest={digest_of(content)}"
        self.send("PUT", place, content, "application/octet-stream")
        return {"mediaType": "application/octet-stream", "digest": digest_of(content), "size": len(content)}

    def image(self, repository: str, tag: str, text: str, *, index: bool = False) -> str:
        """An image with one layer, named by the tag; the digest of what runs."""
        config = json.dumps({"config": {"User": "1000", "ExposedPorts": {"8000/tcp": {}}, "Env": [text]}}).encode()
        layer = hashlib.sha256(text.encode()).digest() * 1000
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.blob(repository, config) | {"mediaType": "application/vnd.oci.image.config.v1+json"},
            "layers": [self.blob(repository, layer) | {"mediaType": "application/vnd.oci.image.layer.v1.tar"}],
        }
        content = json.dumps(manifest).encode()
        digest = digest_of(content)
        self.send("PUT", f"/v2/{repository}/manifests/{digest if index else tag}", content, MANIFEST)
        if index:
            here = ARCHITECTURES[platform.machine()]
            item = {"mediaType": MANIFEST, "digest": digest, "size": len(content)}
            told = {"schemaVersion": 2, "mediaType": INDEX}
            told["manifests"] = [item | {"platform": {"os": "linux", "architecture": here}}]
            self.send("PUT", f"/v2/{repository}/manifests/{tag}", json.dumps(told).encode(), INDEX)
        return digest

    def names(self, repository: str, reference: str) -> str:
        """The digest that a reference names; empty: nothing."""
        context = ssl.create_default_context(cafile=str(self.ca))
        url = f"https://{self.host}/v2/{repository}/manifests/{reference}"
        answer = httpx2.get(url, headers={"Accept": MANIFEST}, verify=context, trust_env=False, auth=self.auth)
        return answer.headers.get("docker-content-digest", "") if answer.status_code == 200 else ""


def _engine() -> engine.Engine:
    try:
        return engine.existing(["registry"])
    except engine.EngineIncomplete:
        return engine.build(["registry"])


@contextlib.contextmanager
def registry(folder: Path, *, closed: bool) -> Iterator[Store]:
    """One that runs; `closed`: it asks for USER and PASSWORD."""
    folder.mkdir(parents=True)
    port, built = free_port(), _engine()
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(folder / "key"), "-out", str(folder / "crt")]
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    call("openssl", "req", "-x509", *curve, "-nodes", "-days", "2", *subject, *files)
    config: dict[str, Any] = {
        "version": 0.1,
        "log": {"accesslog": {"disabled": True}, "level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}, "delete": {"enabled": True}},
        "http": {
            "addr": f"127.0.0.1:{port}",
            "relativeurls": True,
            "tls": {"certificate": str(folder / "crt"), "key": str(folder / "key")},
        },
    }
    if closed:
        call("htpasswd", "-Bbc", str(folder / "users"), USER, PASSWORD)
        config["auth"] = {"htpasswd": {"realm": "registry", "path": str(folder / "users")}}
    (folder / "config.yml").write_text(yaml.safe_dump(config))
    command = [str(built.path("registry")), "serve", str(folder / "config.yml")]
    with running(command, port, OTEL_TRACES_EXPORTER="none"):
        yield Store(f"127.0.0.1:{port}", folder / "crt", (USER, PASSWORD) if closed else None)
