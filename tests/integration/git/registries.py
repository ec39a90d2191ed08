"""A real registry with TLS, as an image's source and as the platform's own. Used by the contract of sources."""

import base64
import contextlib
import hashlib
import json
import platform
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import yaml

from roost.adapters.registry import MANIFEST, digest_of
from roost.builds.sources.image import ARCHITECTURES
from roost.node import engine
from roost.surface import registry as tokens
from tests.integration.git.sources import PASSWORD, USER, call, free_port, running

INDEX = "application/vnd.oci.image.index.v1+json"


@dataclass(frozen=True)
class Store:
    """A running registry. `host`: host:port; `ca`: what its certificate is trusted by."""

    host: str
    ca: Path
    token: str = ""

    def send(self, method: str, path: str, content: bytes = b"", media_type: str = "") -> httpx2.Response:
        """One exchange as its owner."""
        url = path if path.startswith("https://") else f"https://{self.host}{path}"
        context = ssl.create_default_context(cafile=str(self.ca))
        headers = {"Content-Type": media_type} if media_type else {}
        headers |= {"Authorization": f"Bearer {self.token}"} if self.token else {}
        answer = httpx2.request(method, url, content=content, headers=headers, verify=context, trust_env=False)
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


def _engine() -> engine.Engine:
    try:
        return engine.existing(["registry"])
    except engine.EngineIncomplete:
        return engine.build(["registry"])


@contextlib.contextmanager
def registry(folder: Path, *, closed: bool) -> Iterator[Store]:
    """One that runs; `closed`: it asks for USER and PASSWORD."""
    folder.mkdir(parents=True)
    port = free_port()
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
    (folder / "config.yml").write_text(yaml.safe_dump(config))
    with contextlib.ExitStack() as stack:
        if closed:
            key = tokens.new_key()
            (folder / "jwks.json").write_text(json.dumps(tokens.jwks(key)))
            realm = stack.enter_context(_token_service(folder, key))
            named = {"realm": realm, "service": tokens.SERVICE, "issuer": tokens.ISSUER}
            config["auth"] = {"token": named | {"jwks": str(folder / "jwks.json"), "signingalgorithms": ["ES256"]}}
            (folder / "config.yml").write_text(yaml.safe_dump(config))
        command = [str(_engine().path("registry")), "serve", str(folder / "config.yml")]
        stack.enter_context(running(command, port, OTEL_TRACES_EXPORTER="none"))
        yield Store(f"127.0.0.1:{port}", folder / "crt", _all(key) if closed else "")


def _all(key: bytes) -> str:
    """What opens the test's repository to its owner."""
    access = [tokens.Access("team/app", ("pull", "push"))]
    return tokens.mint(key, "owner", access, datetime.now(UTC), timedelta(hours=1))


@contextlib.contextmanager
def _token_service(folder: Path, key: bytes) -> Iterator[str]:
    """Where a client signs in with USER and PASSWORD and gets a token for what it asks for."""
    wanted = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = parse_qs(urlsplit(self.path).query)
            known = self.headers.get("Authorization") == wanted
            body = b"{}"
            if known:
                access = tokens.parse_scopes(asked.get("scope", []))
                token = tokens.mint(key, USER, access, datetime.now(UTC), timedelta(minutes=5))
                body = json.dumps({"token": token}).encode()
            self.send_response(200 if known else 401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "crt", folder / "key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_address[1]}/token"
    finally:
        server.shutdown()
        server.server_close()
