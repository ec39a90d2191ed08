"""The real registry for tests, from the engine's cache, with the platform's own configuration: TLS, tokens by our key.

It dies with the test process. `host` is how images name it; Settings made by `settings` lead the controller to it.
"""

import json
import signal
import subprocess
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from roost.adapters.registry import EMPTY, MANIFEST, Registry, RegistryFailed, descriptor, over_tls
from roost.model.conditions import timestamp
from roost.node import engine, pki
from roost.node.manifests import registry as ours
from roost.settings import Settings
from roost.surface import registry as tokens
from roost.surface import signatures
from tests.integration.apiserver import die_with_parent, free_ports

START_S = 120.0


@dataclass
class RegistryServer:
    """A running registry, the keys of the platform beside it, and what tests do with it."""

    folder: Path
    host: str
    process: subprocess.Popen[bytes] | None = None
    signing_key: bytes = field(default_factory=signatures.new_key)

    @property
    def _token_key(self) -> bytes:
        return (self.folder / "token.pem").read_bytes()

    def settings(self, **more: Any) -> Settings:
        """Settings of a controller that works with it."""
        return Settings(
            registry=self.host,
            registry_key=str(self.folder / "token.pem"),
            trust_bundle=str(self.folder / "ca.crt"),
            signing=str(self.folder / "signing"),
            **more,
        )

    def sign_with(self, key: bytes, since: datetime | None = None) -> None:
        """The key of today. `since`: when the installation began to sign; else what it was."""
        self.signing_key = key
        folder = self.folder / "signing"
        folder.mkdir(exist_ok=True)
        (folder / "key.pem").write_bytes(key)
        if since is not None:
            (folder / "since").write_text(timestamp(since))

    def token(self, repository: str) -> str:
        """What lets its bearer pull and push there."""
        access = [tokens.Access(repository, ("pull", "push"))]
        return tokens.mint(self._token_key, "test", access, datetime.now(UTC), timedelta(hours=1))

    def open(self, repository: str) -> Registry:
        """As whoever may push there, as a run's pod may."""
        return Registry(over_tls(self.host, str(self.folder / "ca.crt")), self.token(repository), time.sleep, tries=2)

    def push(self, repository: str, mark: str) -> str:
        """An image whose bytes follow from `mark`; its full name by digest."""
        registry = self.open(repository)
        config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"User": "1000"}, "mark": mark}).encode()
        registry.put_blob(repository, config)
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor("application/vnd.oci.image.config.v1+json", config),
            "layers": [],
        }
        made = registry.put_manifest(repository, "", manifest)
        registry.close()
        return f"{self.host}/{repository}@{made['digest']}"

    def subject(self, image: str) -> signatures.Subject:
        """What signatures of an image are about."""
        name, _, digest = image.partition("@")
        return signatures.Subject(self.host, name.removeprefix(f"{self.host}/"), digest)

    def sign(self, image: str, key: bytes | None = None, **claims: str) -> None:
        """Sign as the platform does, or with another key."""
        subject = self.subject(image)
        registry = self.open(subject.repository)
        signatures.sign(registry, key or self.signing_key, subject, claims)
        registry.close()

    def claims(self, image: str, key: bytes | None = None) -> tuple[dict[str, str], ...]:
        """What its signatures claim. SignatureRefused."""
        subject = self.subject(image)
        registry = self.open(subject.repository)
        try:
            return signatures.verify(registry, signatures.public_key(key or self.signing_key), subject)
        finally:
            registry.close()

    def copy_signature(self, origin: str, target: str) -> None:
        """Put the signatures of one image beside another, as a hostile pod could that may push there."""
        source, place = self.subject(origin), self.subject(target)
        reading, writing = self.open(source.repository), self.open(place.repository)
        manifest = reading.manifest(source.repository, source.tag) or {}
        writing.put_blob(place.repository, b"{}")
        for layer in manifest["layers"]:
            writing.put_blob(place.repository, reading.read(f"{source.repository}/blobs/{layer['digest']}") or b"")
        body = {"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(EMPTY, b"{}")}
        writing.put_manifest(place.repository, place.tag, body | {"layers": manifest["layers"]})
        reading.close()
        writing.close()

    def start(self) -> None:
        """Start it (again) on the same data, and wait until it answers."""
        program = engine.build(["registry"]).path("registry")
        with (self.folder / "registry.log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(program), "serve", str(self.folder / "tokens.json")],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env={"REGISTRY_HTTP_SECRET": "test", "OTEL_TRACES_EXPORTER": "none"},
                preexec_fn=die_with_parent,
            )
        deadline = time.monotonic() + START_S
        while True:
            try:
                with closing(self.open("acme/none")) as registry:
                    assert registry.send("GET", "/v2/").status == 200
                return
            except (RegistryFailed, OSError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def kill(self) -> None:
        """As a power cut."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)


def start() -> RegistryServer:
    """A new registry, empty, with a signing key that is an hour old."""
    folder = Path(tempfile.mkdtemp(prefix="roost-test-registry-"))
    now = datetime.now(UTC)
    port, debug = free_ports(2)
    authority = pki.authority("roost-test", now)
    leaf = pki.leaf(authority, "registry", ["127.0.0.1", "localhost"], now)
    key = tokens.new_key()
    found = ours.configuration(nodes=False)
    found["storage"]["filesystem"]["rootdirectory"] = str(folder / "data")
    found["http"]["addr"] = f"127.0.0.1:{port}"
    found["http"]["debug"]["addr"] = f"127.0.0.1:{debug}"
    found["http"]["tls"] |= {"certificate": str(folder / "tls.crt"), "key": str(folder / "tls.key")}
    found["auth"]["token"]["jwks"] = str(folder / "jwks.json")
    for name, text in {
        "ca.crt": authority.certificate,
        "tls.crt": leaf.certificate,
        "tls.key": leaf.key,
        "token.pem": key.decode(),
        "jwks.json": json.dumps(tokens.jwks(key)),
        "tokens.json": json.dumps(found),
    }.items():
        pki.write_private(folder / name, text)
    server = RegistryServer(folder, f"localhost:{port}")
    server.sign_with(server.signing_key, now - timedelta(hours=1))
    server.start()
    return server
