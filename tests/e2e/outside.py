"""A host that is neither a node nor in the cluster, for servers that the platform meets in the world outside.

It is a network namespace of its own, joined to this machine by one link. INSIDE is a private address of it; WORLD is
one that passes for an address of the internet: nobody has it there (RFC 8155 keeps 192.0.0.10 for whoever is nearest).
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.e2e.conftest import DOMAIN
from tests.integration.git.sources import call

HOST: Final = "e2e-outside"
LINK: Final = "e2e-outside0"
INSIDE, HERE, WORLD = "10.99.98.2", "10.99.98.1", "192.0.0.10"
START_S: Final = 300  # On a machine that has much else to do; what is there sooner is seen sooner.
_RECEIVER: Final = """\
import http.server
import json
import sys


class Page(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        with open(sys.argv[3], "a") as file:
            file.write(json.dumps({"path": self.path, "headers": headers, "body": body}) + chr(10))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *arguments):
        pass


http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Page).serve_forever()
"""


@dataclass(frozen=True)
class Outside:
    """The host. `folder`: where its files are."""

    folder: Path

    def command(self, *words: str) -> list[str]:
        """A command that is carried out there."""
        return ["ip", "netns", "exec", HOST, *words]

    @contextlib.contextmanager
    def serving(self, address: str, port: int, *words: str, **environment: str) -> Iterator[None]:
        """A server of that host that stays in the foreground; ready when it listens, ended with all that it started."""
        process = subprocess.Popen(
            self.command(*words), env={**os.environ, **environment}, stdin=subprocess.DEVNULL, start_new_session=True
        )
        try:
            _until_open(address, port, process)
            yield
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)

    @contextlib.contextmanager
    def receiving(self, address: str, port: int) -> Iterator["Received"]:
        """Something that takes webhooks."""
        file = self.folder / "received"
        file.touch()
        with self.serving(address, port, sys.executable, "-c", _RECEIVER, address, str(port), str(file)):
            yield Received(file)


@dataclass(frozen=True)
class Received:
    """What was delivered so far."""

    file: Path

    def all(self) -> list[dict[str, Any]]:
        """path, headers (in lower case), body of each, the first first."""
        return [json.loads(line) for line in self.file.read_text().splitlines()]


def _until_open(address: str, port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    probe = f"import socket; socket.create_connection(({address!r}, {port}), timeout=1).close()"
    there = ["ip", "netns", "exec", HOST, sys.executable, "-c", probe]
    while subprocess.run(there, capture_output=True, check=False).returncode:
        assert process.poll() is None, "the server ended"
        assert time.monotonic() < deadline, "the server does not listen"
        time.sleep(0.2)


@contextlib.contextmanager
def outside(folder: Path) -> Iterator[Outside]:
    """The host, made anew and gone afterwards. There the platform's API has the name that it has everywhere."""
    subprocess.run(["ip", "netns", "del", HOST], check=False, capture_output=True)
    names = Path("/etc/netns") / HOST
    names.mkdir(parents=True, exist_ok=True)
    (names / "hosts").write_text(f"127.0.0.1 localhost\n{HERE} api.{DOMAIN}\n")
    call("ip", "netns", "add", HOST)
    try:
        call("ip", "link", "add", LINK, "type", "veth", "peer", "name", "eth0", "netns", HOST)
        call("ip", "address", "add", f"{HERE}/24", "dev", LINK)
        call("ip", "link", "set", LINK, "up")
        call("ip", "route", "add", f"{WORLD}/32", "via", INSIDE, "onlink", "dev", LINK)
        for words in (
            "link set lo up",
            f"address add {INSIDE}/24 dev eth0",
            f"address add {WORLD}/32 dev eth0",
            "link set eth0 up",
            f"route add default via {HERE}",
        ):
            call("ip", "-n", HOST, *words.split())
        yield Outside(folder)
    finally:
        call("ip", "netns", "del", HOST)
        (names / "hosts").unlink()
        names.rmdir()
