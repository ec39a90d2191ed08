"""A gateway as the platform configures it, roost-drain beside it, and instances of an application as processes.

What Kubernetes does is done by hand: who is in the gateway's list stands in a file, as EndpointSlices would say it.
Everything listens on an address of this machine that is not its loopback's, because the helper leaves that out.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from roost.node import engine, pki
from roost.node.machine import Node
from roost.node.manifests import drain, gateway

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = ROOT / "bench/rolled.py"
HOST = "shop-dev.acme.roost.localhost"


def own_address() -> str:
    """An address of this machine by which it reaches others; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])


def free_port(address: str) -> int:
    """A port that nobody has at this moment."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def wait_for(address: str, port: int, within_s: float = 30) -> None:
    """Until something listens."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            socket.create_connection((address, port), timeout=1).close()
            return
        except OSError:
            assert time.monotonic() < deadline, f"nothing listens on {address}:{port}"
            time.sleep(0.05)


@dataclass
class Instance:
    """One process of the application."""

    port: int
    process: subprocess.Popen[bytes]


@dataclass
class Stage:
    """The gateway, who asks it, and the instances."""

    folder: Path
    programs: engine.Engine
    address: str = field(default_factory=own_address)
    serving: list[Instance] = field(default_factory=list)
    ending: list[subprocess.Popen[bytes]] = field(default_factory=list)
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> None:
        """Gateway and roost-drain, and a first instance."""
        names = ("web", "websecure", "view", "health", "instances", "controller")
        self.ports = {name: free_port(self.address) for name in names}
        self._certificates()
        self.begin()
        self._write()
        self.gateway = self._run(str(self.programs.path("traefik")), *self._arguments())
        self.drain = self._run(
            str(self.programs.path("drain")),
            "serve",
            f"--gateways={self.address}",
            f"--gateway-port={self.ports['view']}",
            f"--tls={self.folder / 'client'}",
            f"--instances={self.address}:{self.ports['instances']}",
            f"--controller={self.address}:{self.ports['controller']}",
        )
        for name in ("web", "view", "instances"):
            wait_for(self.address, self.ports[name])
        deadline = time.monotonic() + 30
        while not self.answers():
            assert time.monotonic() < deadline, "the gateway does not lead to the application"
            time.sleep(0.05)

    def answers(self) -> bool:
        """Whether the gateway leads to the application."""
        request = Request(f"http://{self.address}:{self.ports['web']}/", headers={"Host": HOST})
        try:
            with urlopen(request, timeout=5) as answer:
                return bool(answer.status == 200)
        except HTTPError:
            return False

    def _run(self, *command: str, **variables: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{Path(command[0]).name}-{len(self.running)}.log").open("wb") as log:
            found = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | variables)
        self.running.append(found)
        return found

    def _certificates(self) -> None:
        now = datetime.now(UTC)
        authority = pki.authority("test", now)
        names = {
            "server": pki.leaf(authority, gateway.VIEW_NAME, (gateway.VIEW_NAME,), now),
            "client": pki.leaf(authority, drain.NAME, (drain.NAME,), now, client=True),
        }
        for name, pair in names.items():
            place = self.folder / name
            place.mkdir()
            (place / "tls.crt").write_text(pair.certificate)
            (place / "tls.key").write_text(pair.key)
            (place / "ca.crt").write_text(authority.certificate)

    def _arguments(self) -> list[str]:
        """The platform's own, with other ports, and a file in place of Kubernetes."""
        told = gateway.arguments(Node("test", self.address, "", "roost.localhost"), view=True)
        ports = {
            ":80": "web",
            ":443": "websecure",
            f":{gateway.VIEW_PORT}": "view",
            f"127.0.0.1:{gateway.HEALTH_PORT}": "health",
        }
        found = []
        for argument in told:
            key, _, value = argument.partition("=")
            if key.startswith("--providers.kubernetesgateway"):
                continue
            if key.endswith(".address"):
                value = f"{self.address}:{self.ports[ports[value]]}"
            if key == "--providers.file.filename":
                value = str(self.folder / "settings.yaml")
            found.append(f"{key}={value}")
        return found

    def _write(self) -> None:
        """What the gateway leads to. (Written aside and moved: it must never read half a file.)"""
        text = gateway.settings(view=True).replace(gateway.VIEW_FILES, str(self.folder / "server"))
        settings: dict[str, Any] = json.loads(text)
        servers = [{"url": f"http://{self.address}:{item.port}"} for item in self.serving]
        settings["http"]["routers"]["app"] = {
            "entryPoints": ["web"],
            "rule": f"Host(`{HOST}`)",
            "service": "app",
        }
        settings["http"]["services"] = {"app": {"loadBalancer": {"servers": servers}}}
        fresh = self.folder / "settings.new"
        fresh.write_text(json.dumps(settings))
        os.replace(fresh, self.folder / "settings.yaml")

    def begin(self) -> Instance:
        """A new instance that answers."""
        port = free_port(self.address)
        made = Instance(port, self._run(sys.executable, str(PROGRAM), PORT=str(port), COLOUR=str(port)))
        wait_for(self.address, port)
        self.serving.append(made)
        return made

    def served(self, port: int) -> str:
        """What roost-drain says of whoever asks, this machine, and a port."""
        with urlopen(f"http://{self.address}:{self.ports['instances']}/served?port={port}", timeout=10) as answer:
            return str(json.load(answer)["served"])

    def publish(self) -> None:
        """The gateway leads to all that serve. (Kubernetes waits for that by minReadySeconds.)"""
        self._write()
        deadline = time.monotonic() + 60
        while not all(self.served(item.port) == "yes" for item in self.serving):
            assert time.monotonic() < deadline, "the gateway does not lead to the instances"
            time.sleep(0.1)

    def replace(self, helped: bool) -> None:
        """A new instance serves; then the oldest is taken from the list and told to end, at once, as kubelets do.

        `helped`: its preStop hook is the helper; else it has none.
        """
        self.begin()
        self.publish()
        old = self.serving.pop(0)
        self._write()
        if not helped:
            old.process.send_signal(signal.SIGTERM)
            return
        self.ending.append(self.hook(old))

    def hook(self, instance: Instance, *more: str) -> subprocess.Popen[bytes]:
        """The helper as preStop hook, and SIGTERM after it; the shell stands for the kubelet."""
        drain = str(self.programs.path("drain"))
        view = f"http://{self.address}:{self.ports['instances']}"
        helper = [drain, "wait", f"--view={view}", f"--port={instance.port}", "--limit=5m", *more]
        kubelet = '"$@"; kill -TERM "$0"'
        return self._run("sh", "-c", kubelet, str(instance.process.pid), *helper)

    def reached(self, instance: Instance) -> None:
        """Requests through the gateway have come to an instance, as it says in its answers."""
        request = Request(f"http://{self.address}:{self.ports['web']}/", headers={"Host": HOST})
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(HTTPError), urlopen(request, timeout=5) as answer:
                if answer.read() == str(instance.port).encode():
                    return
            assert time.monotonic() < deadline, "no request comes to the new instance"
            time.sleep(0.05)

    def settled(self) -> None:
        """Everything that was to end has."""
        for kubelet in self.ending:
            kubelet.wait(300)
        self.ending.clear()

    @contextlib.contextmanager
    def load(self, told: dict[str, Any], rate: float = 60.0) -> Iterator[None]:
        """An open-loop load while it lasts: kept connections, slow requests, WebSockets."""
        command = [str(self.programs.path("load")), "-host", HOST, "-rate", str(rate), "-http2", "0"]
        command += ["-http", f"{self.address}:{self.ports['web']}", "-slow", "0.1", "-websocket", "0.1"]
        command += ["-patience", "2m"]  # A busy machine is slow; that is no failed request.
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
            yield
            out, _ = running.communicate("", timeout=300)
        told |= json.loads(out)

    def stop(self) -> None:
        """Everything that was started here."""
        for process in self.running:
            if process.poll() is None:
                process.kill()
            process.wait()


def failed(told: dict[str, Any]) -> dict[str, int]:
    """What went wrong how often, of all kinds."""
    found: dict[str, int] = {}
    for name in ("http1", "slow", "websocket"):
        found |= {f"{name}: {text}": count for text, count in told[name]["wrong"].items()}
    return found


def sent(told: dict[str, Any]) -> dict[str, int]:
    """Requests of each kind."""
    return {name: told[name]["requests"] for name in ("http1", "slow", "websocket")}
