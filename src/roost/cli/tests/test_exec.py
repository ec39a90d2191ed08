"""`roost exec`: channels, exit codes, standard input, a real terminal's keys and size, and what is refused."""

import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pexpect
import pytest
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

from roost.cli.tests.conftest import Roost
from roost.cli.tests.fake_api import APP, TOKEN, instance

SUCCESS = json.dumps({"status": "Success"}).encode()
WAIT_S = 20


def failed(code: int) -> bytes:
    """Kubernetes' Status of a command that ended with `code`."""
    causes = [{"reason": "ExitCode", "message": str(code)}]
    return json.dumps({"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": causes}}).encode()


@dataclass
class Instances:
    """A server with the two routes that exec needs. What commands do is decided by their first word."""

    url: str = ""
    queries: list[dict[str, list[str]]] = field(default_factory=list)
    sizes: list[dict[str, int]] = field(default_factory=list)
    refused: str = ""

    def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """Plain HTTP: the list of instances, or a refusal of the handshake."""
        if urlsplit(request.path).path == f"{APP}/instances":
            return self._json(HTTPStatus.OK, {"items": [instance("a", ready=False), instance("b")]})
        if self.refused or request.headers.get("Authorization") != f"Bearer {TOKEN}":
            problem = {"type": f"https://roost.dev/problems/{self.refused}", "detail": "No shells on Fridays."}
            return self._json(HTTPStatus.FORBIDDEN, problem | {"requestId": "req-42"})
        return None

    def _json(self, status: HTTPStatus, body: object) -> Response:
        data = json.dumps(body).encode()
        headers = Headers({"Content-Type": "application/json", "Content-Length": str(len(data)), "Connection": "close"})
        return Response(status.value, status.phrase, headers, data)

    def run(self, connection: ServerConnection) -> None:
        """A command: `cat` gives its input back, `keys` until a q, others end as they are called."""
        assert connection.request is not None
        query = parse_qs(urlsplit(connection.request.path).query)
        self.queries.append(query)
        command = query["command"]
        try:
            if command[0] == "cat":
                self._cat(connection)
            elif command[0] == "keys":
                self._keys(connection)
            elif command[0] == "vanish":
                return
            elif command[0] == "silent":
                connection.recv(timeout=WAIT_S)
            connection.send(b"\x01out\n")
            connection.send(b"\x02err\n")
            connection.send(b"\x03" + (failed(int(command[1])) if command[0] == "exit" else SUCCESS))
        except (ConnectionClosed, TimeoutError):
            return

    def _cat(self, connection: ServerConnection) -> None:
        while len(data := connection.recv(timeout=WAIT_S)) > 1:
            connection.send(b"\x01" + bytes(data[1:]))  # type: ignore[arg-type]

    def _keys(self, connection: ServerConnection) -> None:
        while True:
            data = connection.recv(timeout=WAIT_S)
            assert isinstance(data, bytes)
            if data[0] == 4:
                self.sizes.append(json.loads(data[1:]))
                continue
            connection.send(b"\x01got " + data[1:].hex().encode() + b"\r\n")
            if data[1:] == b"q":
                return


@pytest.fixture
def instances() -> Iterator[Instances]:
    """The running server."""
    made = Instances()
    server: Server = serve(made.run, "127.0.0.1", 0, process_request=made.answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    made.url = f"http://127.0.0.1:{server.socket.getsockname()[1]}"
    yield made
    server.shutdown()


@pytest.fixture
def spawn(instances: Instances, tmp_path: Path) -> Iterator[list[str]]:
    """The start of a command line that runs `roost` against the instances, from a directory that names the app."""
    (tmp_path / "roost.yaml").write_text("tenant: acme\nenv: dev\napp: shop\n")
    environment = f"HOME={tmp_path} ROOST_SERVER={instances.url} ROOST_TOKEN={TOKEN}"
    yield ["bash", "-c", f"cd {tmp_path}; {environment} {sys.executable} -m roost.cli.main "]


def run(spawn: list[str], rest: str) -> tuple[int, str, str]:
    """Without a terminal: exit code and both outputs."""
    import subprocess

    done = subprocess.run([*spawn[:2], spawn[2] + rest], capture_output=True, text=True, timeout=WAIT_S)
    return done.returncode, done.stdout, done.stderr


def test_output_error_and_exit_code_are_those_of_the_command(instances: Instances, spawn: list[str]) -> None:
    assert run(spawn, "exec -- true </dev/null") == (0, "out\n", "err\n")
    assert run(spawn, "exec -- exit 42 </dev/null")[0] == 42
    assert instances.queries[0] == {"instance": ["b"], "command": ["true"], "tty": ["false"]}


def test_standard_input_reaches_the_command_and_ends(spawn: list[str]) -> None:
    code, out, _ = run(spawn, "exec -- cat < <(echo hello)")
    assert (code, out) == (0, "hello\nout\n")


def test_a_refusal_tells_why_and_the_request(instances: Instances, spawn: list[str]) -> None:
    instances.refused = "forbidden"
    code, _, err = run(spawn, "exec -- true </dev/null")
    assert code == 4
    assert "No shells on Fridays." in err
    assert "req-42" in err


def test_a_connection_that_breaks_off_is_no_success(spawn: list[str]) -> None:
    code, _, err = run(spawn, "exec -- vanish </dev/null")
    assert code == 1
    assert "broke off" in err


def test_a_process_that_does_not_run_is_told_with_those_that_do(spawn: list[str]) -> None:
    code, _, err = run(spawn, "exec -p worker -- true </dev/null")
    assert code == 3
    assert "web" in err


def test_in_a_terminal_keys_and_size_go_to_the_other_side(instances: Instances, spawn: list[str]) -> None:
    child = pexpect.spawn(
        spawn[0], [spawn[1], spawn[2] + "exec -- keys; echo code $?"], dimensions=(31, 77), timeout=WAIT_S
    )
    child.send("a")
    child.expect(b"got 61")
    child.send("\x03")
    child.expect(b"got 03")
    child.setwinsize(40, 100)
    child.send("q")
    child.expect(b"got 71")
    child.expect(b"code 0")
    child.expect(pexpect.EOF)
    child.close()
    assert instances.sizes[0] == {"Width": 77, "Height": 31}
    assert {"Width": 100, "Height": 40} in instances.sizes
    assert instances.queries[0]["tty"] == ["true"]


def test_ctrl_c_ends_a_command_without_a_terminal_of_its_own(spawn: list[str]) -> None:
    line = spawn[2].replace("; HOME", "; exec env HOME") + "exec -T -- silent"
    child = pexpect.spawn("bash", ["-c", line], timeout=WAIT_S)
    child.expect(pexpect.TIMEOUT, timeout=2)
    child.sendintr()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130


def test_exec_of_an_app_that_is_not_there(roost: Roost) -> None:
    roost.api.instances = []
    assert roost("exec", "--", "true").code == 3
