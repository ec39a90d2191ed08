"""A small real HTTP server that answers as docs/api.md says, for tests of the CLI: one tenant, one application.

State is a dict that tests read and change; every request is kept in `calls`. `fail` answers the next requests to a
path with a problem; `hold` makes log streams stay open, silent.
"""

import json
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from roost.capabilities.release.checks import default_target, judge
from roost.capabilities.release.model import Observed, SeenVersion
from roost.model.difference import difference
from roost.model.kinds.app import AppSpec, Release
from roost.surface.problems import TYPES

TOKEN = "rst_good"
IMAGE = "registry.example.com/acme/shop@sha256:" + "a" * 64
OTHER_IMAGE = "registry.example.com/acme/shop@sha256:" + "b" * 64
ENV = "/v1/tenants/acme/environments/dev"
APP = f"{ENV}/apps/shop"
MOMENT = "2026-11-28T20:00:00Z"


def ready(status: str = "True", reason: str = "Ready", message: str = "") -> list[dict[str, Any]]:
    """The conditions of an object."""
    return [{"type": "Ready", "status": status, "reason": reason, "message": message, "lastTransitionTime": MOMENT}]


def meta(name: str, generation: int = 1) -> dict[str, Any]:
    """The metadata of an object."""
    return {"name": name, "generation": generation, "resourceVersion": "7", "creationTimestamp": MOMENT}


def shop() -> dict[str, Any]:
    """An App that serves its second version."""
    return {
        "apiVersion": "roost.dev/v1alpha1",
        "kind": "App",
        "metadata": meta("shop", 2),
        "spec": {
            "artefact": {"image": OTHER_IMAGE, "commit": "c0ffee" * 6 + "c0ff"},
            "processes": [{"name": "web", "port": 8080, "replicas": 2}],
        },
        "status": {
            "observedGeneration": 2,
            "release": "shop-v2",
            "live": "shop-v2",
            "url": "http://shop-dev.acme.roost.localhost",
            "instances": 2,
            "wanted": 2,
            "conditions": ready(),
        },
    }


def release(number: int, image: str, **content: Any) -> dict[str, Any]:
    """A Release that served."""
    spec = {
        "app": "shop",
        "number": number,
        "author": "mei",
        "cause": f"change {number}",
        "content": {
            "artefact": {"image": image},
            "processes": [{"name": "web", "port": 8080, "replicas": number}],
            **content,
        },
    }
    phase = {"phase": "Live" if number == 2 else "Superseded", "liveAt": MOMENT}
    return {"kind": "Release", "metadata": meta(f"shop-v{number}"), "spec": spec, "status": phase}


def instance(name: str = "shop-web-x7k2p", **more: Any) -> dict[str, Any]:
    """One instance as the API tells it."""
    return {
        "name": name,
        "process": "web",
        "release": "shop-v2",
        "ready": True,
        "restarts": 0,
        "startedAt": MOMENT,
    } | more


def complete(release: dict[str, Any]) -> dict[str, Any]:
    """A Release with what its model asks for."""
    return release | {"spec": {"digest": "", **release["spec"]}}


@dataclass
class FakeApi:
    """The server's state and what was asked of it."""

    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    instances: list[dict[str, Any]] = field(default_factory=lambda: [instance()])
    variables: dict[str, dict[str, Any]] = field(default_factory=dict)
    lines: list[dict[str, str]] = field(default_factory=list)
    calls: list[tuple[str, str, dict[str, list[str]], Any]] = field(default_factory=list)
    failures: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    settles: bool = True  # Whether a change of the App serves at once.
    tenants: list[dict[str, Any]] = field(
        default_factory=lambda: [{"name": "acme", "title": "Acme", "role": "owner", "environments": []}]
    )
    promoted: dict[str, Any] = field(default_factory=dict)  # The status that promotions get.
    task: dict[str, Any] = field(default_factory=dict)  # The status that tasks get.
    judged_by: dict[str, Any] = field(default_factory=dict)  # Facts for the verdict on a rollback.
    repository: str = ""  # Where the project that is made is pushed to.
    hold: bool = False
    breaks: int = 0  # How many log streams break off after `lines`; the next ones send `later`.
    later: list[dict[str, str]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def fail(self, path: str, kind: str, detail: str = "Because of the test.", times: int = 1) -> None:
        """Answer the next `times` requests to the path with a problem."""
        self.failures.setdefault(path, []).extend([(kind, detail)] * times)

    def asked(self, method: str, path: str) -> list[Any]:
        """The bodies of the requests of that method to that path."""
        return [body for verb, at, _, body in self.calls if (verb, at) == (method, path)]

    def change(self, **spec: Any) -> dict[str, Any]:
        """Change the App as a write does; with `settles` it serves at once as a new version."""
        app = self.objects[APP]
        app["spec"] = app["spec"] | spec
        app["metadata"] = app["metadata"] | {"generation": app["metadata"]["generation"] + 1}
        answer = json.loads(json.dumps(app))
        if self.settles:
            number = int(app["status"]["release"].rpartition("-v")[2]) + 1
            app["status"] |= {"release": f"shop-v{number}", "live": f"shop-v{number}"}
            app["status"]["observedGeneration"] = app["metadata"]["generation"]
            self.objects[f"{ENV}/releases/shop-v{number}"] = release(number, app["spec"]["artefact"]["image"])
        return dict(answer)


def start() -> tuple[FakeApi, ThreadingHTTPServer]:
    """A running server on a free port."""
    api = FakeApi()
    api.objects = {
        "/v1/tenants/acme": {
            "kind": "Tenant",
            "metadata": meta("acme"),
            "spec": {"environments": [{"name": "dev"}], "members": [{"person": "mei", "role": "owner"}]},
            "status": {"conditions": ready()},
        },
        APP: shop(),
        f"{ENV}/releases/shop-v1": release(1, IMAGE),
        f"{ENV}/releases/shop-v2": release(2, OTHER_IMAGE),
        "/v1/tenants/acme/runs/shop-1-abc": {
            "kind": "Run",
            "metadata": meta("shop-1-abc"),
            "spec": {"project": "shop", "ref": "refs/heads/main", "commit": "c" * 40, "author": "mei"},
            "status": {
                "phase": "Failed",
                "startedAt": MOMENT,
                "finishedAt": "2026-11-28T20:01:30Z",
                "conditions": ready("False", "BuildFailed", "The build ended with 1."),
            },
        },
    }
    handler = type("Handler", (_Handler,), {"api": api})
    server = _Server(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    api.url = f"http://127.0.0.1:{server.server_address[1]}"
    return api, server


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is told to nobody: what stands on stderr is taken for the command's own."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    api: FakeApi
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""

    def _handle(self) -> None:
        url = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        self.api.calls.append((self.command, url.path, parse_qs(url.query), body))
        waiting = self.api.failures.get(url.path)
        if waiting:
            return self._problem(*waiting.pop(0))
        if url.path != "/v1/session" and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._problem("unauthenticated", "Nobody knows this token.")
        if url.path.endswith("/logs"):
            return self._stream()
        answer = self._answer(self.command, url.path, body)
        if answer is None:
            return self._problem("not-found", f"There is no {url.path.rpartition('/')[2]}, or you may not see it.")
        return self._send(*answer)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _handle

    def _answer(self, method: str, path: str, body: Any) -> tuple[int, Any] | None:
        api = self.api
        if path == "/v1/session":
            good = method == "DELETE" or body == {"name": "mei", "password": "secret word"}
            return (201, {"token": TOKEN, "person": "mei", "initialPassword": True}) if good else None
        if path in ("/healthz", "/readyz"):
            return 200, {"status": "ok"}
        if path == "/v1/me":
            return 200, {"person": "mei", "title": "Mei Lin", "platformRole": "", "tenants": api.tenants}
        if path.startswith("/v1/tokens"):
            return self._tokens(method)
        if path.startswith(APP + "/"):
            return self._app(method, path.removeprefix(APP + "/"), body)
        if method == "POST" and path.endswith("/secret"):
            return 201, {"secret": "whsec_shown_once"}
        if method == "POST" and path.endswith("/runs"):
            return 201, api.objects["/v1/tenants/acme/runs/shop-1-abc"]
        kinds = ("tenants", "projects", "apps", "promotions", "tasks", "channels")
        if method == "POST" and path.rpartition("/")[2] in kinds:
            status = {"conditions": ready()} | (api.promoted if path.endswith("/promotions") else {})
            if path.endswith("/tasks"):
                status = dict(api.task)
            if path.endswith("/projects") and api.repository:
                status["repository"] = api.repository
            made = {"metadata": meta(body["metadata"]["name"]), "spec": body["spec"], "status": status}
            if "dryRun" not in self.path:
                api.objects[f"{path}/{body['metadata']['name']}"] = made
            return 201, made
        if method == "GET" and path not in api.objects:
            items = [item for key, item in api.objects.items() if key.rpartition("/")[0] == path]
            return (200, {"items": items, "metadata": {}}) if items or path.endswith(("s", "apps")) else None
        found = api.objects.get(path)
        if found is None:
            return None
        if method == "DELETE":
            del api.objects[path]
            return 202, {}
        if method == "PATCH":
            changed = found | {"spec": found["spec"] | body["spec"]}
            if "dryRun" in self.path:
                return 200, changed
            api.objects[path] = found = changed
        return 200, found

    def _tokens(self, method: str) -> tuple[int, Any]:
        entry = {"id": "t1", "name": "ci", "createdAt": MOMENT, "expiresAt": "2027-01-01T00:00:00Z"}
        if method == "POST":
            return 201, entry | {"token": "rst_shown_once"}
        return (200, {"items": [entry]}) if method == "GET" else (204, None)

    def _app(self, method: str, verb: str, body: Any) -> tuple[int, Any] | None:
        api = self.api
        if verb == "instances":
            return 200, {"items": api.instances}
        if verb == "config" and method == "GET":
            return 200, {"variables": list(api.variables.values())}
        query = parse_qs(urlsplit(self.path).query)
        if verb == "rollback" and method == "GET":
            return self._plan(int(query["to"][0]) if "to" in query else None)
        if verb == "difference":
            contents = [
                api.objects[f"{ENV}/releases/shop-v{query[key][0]}"]["spec"]["content"] for key in ("from", "to")
            ]
            return 200, {"app": "shop", "changes": [vars(item) for item in difference(*contents)]}
        dry = "dryRun" in self.path
        if verb == "config" and not dry:
            for name, value in body.get("set", {}).items():
                hidden = {"name": name, "secret": True}
                api.variables[name] = hidden if body.get("secret") else {"name": name, "value": value, "secret": False}
            for name in body.get("unset", ()):
                api.variables.pop(name, None)
        changes: dict[str, Any] = {}
        if verb == "deploy":
            changes = {"artefact": {"image": body["image"]}, "hold": ""}
        elif verb == "rollback":
            changes = {"hold": "rolled back"}
        if dry:
            return 200, api.objects[APP] | {"spec": api.objects[APP]["spec"] | changes}
        return 200, api.change(**changes)

    def _plan(self, wanted: int | None) -> tuple[int, Any] | None:
        """What going back would do, judged as the API does it."""
        objects, prefix = self.api.objects, f"{ENV}/releases/"
        found = [Release.parse(complete(item)) for key, item in objects.items() if key.startswith(prefix)]
        versions = sorted((SeenVersion.of(item) for item in found), key=lambda item: item.number)
        app = objects[APP]
        spec = AppSpec.model_validate(app["spec"])
        target = next((item for item in versions if item.number == wanted), None)
        if wanted is None:
            target = default_target(spec, versions, app["status"]["live"])
        if target is None:
            return None
        observed = Observed(spec=spec, versions=tuple(versions), target=target, **self.api.judged_by)
        return 200, judge("shop", observed).wire()

    def _stream(self) -> None:
        broken = self.api.breaks > 0
        lines = self.api.lines if broken or not self.api.later else self.api.later
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for line in lines:
            data = json.dumps(line).encode() + b"\n"
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()
        if self.api.hold and "follow=true" in self.path:
            self.api.released.wait(60)
        if broken:
            self.api.breaks -= 1
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")

    def _problem(self, kind: str, detail: str) -> None:
        status, title, _ = TYPES[kind]
        problem = {"type": f"https://roost.dev/problems/{kind}", "title": title, "status": status, "detail": detail}
        self._send(status, problem | {"requestId": "req-42"})

    def _send(self, status: int, body: Any) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
