"""What the API does with a webhook's delivery: it passes it on to the git server with the secret that both share."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2

from tests.integration.git.conftest import SECRET, Server


@dataclass
class Gate:
    """Where senders deliver to, and what they were answered so far."""

    address: str = ""
    answered: list[int] = field(default_factory=list)


@contextlib.contextmanager
def gate(server: Server) -> Iterator[Gate]:
    """One before that git server."""
    made = Gate()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            kept = ("x-g", "x-hub", "authorization", "webhook-")
            headers = {key: value for key, value in self.headers.items() if key.lower().startswith(kept)}
            url = f"http://127.0.0.1:{server.port}{self.path}"
            passed = httpx2.post(url, content=body, headers={**headers, "X-Roost-Shared": SECRET}, trust_env=False)
            made.answered.append(passed.status_code)
            self.send_response(passed.status_code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.address = f"http://127.0.0.1:{listening.server_address[1]}"
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    try:
        yield made
    finally:
        listening.shutdown()
        listening.server_close()
