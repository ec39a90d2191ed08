"""`roost cp` and `roost port-forward` against a server that really runs the commands; hostile archives."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

from roost.capabilities.app.commands_files import place_of
from roost.capabilities.app.commands_forward import ports_of
from roost.cli.tests.conftest import Roost
from roost.cli.tests.fake_api import APP, TOKEN, shop
from roost.cli.tests.test_exec import SUCCESS, Instances, failed
from roost.surface.terminal.failure import Failure

WAIT_S = 20


class Running(Instances):
    """Instances whose commands really run, in a folder of this machine; ports answer in capitals."""

    folder = Path()
    hostile: bytes = b""

    def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """The App besides."""
        if urlsplit(request.path).path == APP:
            return self._json(HTTPStatus.OK, shop())
        return super().answer(connection, request)

    def run(self, connection: ServerConnection) -> None:
        """A command, or a connection to a port."""
        assert connection.request is not None
        url = urlsplit(connection.request.path)
        query = parse_qs(url.query)
        self.queries.append(query)
        try:
            if url.path.endswith("/port-forward"):
                for frame in connection:
                    connection.send(bytes(frame).upper())  # type: ignore[arg-type]
            else:
                self._command(connection, query["command"])
        except ConnectionClosed:
            return

    def _command(self, connection: ServerConnection, command: list[str]) -> None:
        sent = b""
        while len(data := connection.recv(timeout=WAIT_S)) > 1:
            sent += bytes(data[1:])  # type: ignore[arg-type]
        if self.hostile and command[:2] == ["tar", "cf"]:
            connection.send(b"\x01" + self.hostile)
            connection.send(b"\x03" + SUCCESS)
            return
        done = subprocess.run(command, cwd=self.folder, input=sent, capture_output=True, check=False)
        connection.send(b"\x01" + done.stdout)
        connection.send(b"\x02" + done.stderr)
        connection.send(b"\x03" + (failed(done.returncode) if done.returncode else SUCCESS))


@pytest.fixture
def there(roost: Roost, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The running server; `roost` is signed in at it."""
    made = Running()
    made.folder = tmp_path_factory.mktemp("instance")
    server: Server = serve(made.run, "127.0.0.1", 0, process_request=made.answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    made.url = f"http://127.0.0.1:{server.socket.getsockname()[1]}"
    roost.environment["ROOST_SERVER"] = made.url
    yield made
    server.shutdown()


def archive(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """A tar of what is given."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as made:
        for member, content in members:
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def link(name: str, to: str) -> tarfile.TarInfo:
    """A symbolic link."""
    made = tarfile.TarInfo(name)
    made.type, made.linkname = tarfile.SYMTYPE, to
    return made


@pytest.mark.parametrize(
    ("text", "place"),
    [(":/a", ("", "/a")), ("web:a b", ("web", "a b")), ("a/b:c", None), ("./web:x", None), ("notes.txt", None)],
)
def test_a_colon_after_a_name_means_an_instance(text: str, place: tuple[str, str] | None) -> None:
    found = place_of(text)
    assert (found and (found.where, found.path)) == place


def test_a_file_goes_in_under_its_name_or_another(roost: Roost, there: Running) -> None:
    (roost.directory / "notes.txt").write_text("hello")
    assert roost("cp", "notes.txt", f":{there.folder}/").code == 0
    assert roost("cp", "notes.txt", f":{there.folder}").code == 0
    said = roost("cp", "notes.txt", f"web:{there.folder}/other.txt")
    assert said.code == 0, said.err
    assert [(item.name, item.read_text()) for item in sorted(there.folder.iterdir())] == [
        ("notes.txt", "hello"),
        ("other.txt", "hello"),
    ]
    assert there.queries[0]["instance"] == ["b"]


def test_a_folder_comes_out_whole_as_it_is(roost: Roost, there: Running) -> None:
    (there.folder / "out/deep").mkdir(parents=True)
    big = os.urandom(300_000)
    (there.folder / "out/deep/big").write_bytes(big)
    (there.folder / "out/run.sh").write_text("x")
    (there.folder / "out/run.sh").chmod(0o755)
    (there.folder / "out/link").symlink_to("/etc/passwd")
    said = roost("cp", f":{there.folder}/out", ".")
    assert said.code == 0, said.err
    assert (roost.directory / "out/deep/big").read_bytes() == big
    assert (roost.directory / "out/run.sh").stat().st_mode & 0o777 == 0o755
    assert not (roost.directory / "out/link").exists()
    assert "out/link" in said.err


def test_a_file_comes_out_under_another_name(roost: Roost, there: Running) -> None:
    (there.folder / "shop.db").write_text("data")
    assert roost("cp", f":{there.folder}/shop.db", "backup.db").code == 0
    assert (roost.directory / "backup.db").read_text() == "data"


def test_what_is_not_there_is_told_by_the_instance(roost: Roost, there: Running) -> None:
    said = roost("cp", f":{there.folder}/nothing", "x")
    assert said.code == 1
    assert "nothing" in said.err
    assert "Traceback" not in said.err
    assert roost("cp", "nothing", ":/tmp/").code == 3
    assert roost("cp", "a", "b").code == 2
    assert roost("cp", ":/a", ":/b").code == 2


@pytest.mark.parametrize(
    "members",
    [
        [(tarfile.TarInfo("x/../../escaped"), b"bad")],
        [(tarfile.TarInfo("/escaped"), b"bad")],
        [(link("x/door", ".."), b""), (tarfile.TarInfo("x/door/escaped"), b"bad")],
        [(link("x", ".."), b""), (tarfile.TarInfo("x/escaped"), b"bad")],
    ],
)
def test_nothing_that_an_instance_sends_is_written_outside(
    roost: Roost, there: Running, members: list[tuple[tarfile.TarInfo, bytes]]
) -> None:
    (roost.directory / "target").mkdir()
    there.hostile = archive(*members)
    said = roost("cp", ":/x", "target")
    assert "Traceback" not in said.err
    outside = [item for item in roost.directory.rglob("escaped") if roost.directory / "target" not in item.parents]
    assert outside == []


def test_a_link_that_stands_in_the_way_is_not_followed(roost: Roost, there: Running) -> None:
    (roost.directory / "victim").mkdir()
    (roost.directory / "target/x").mkdir(parents=True)
    (roost.directory / "target/x/door").symlink_to(roost.directory / "victim")
    there.hostile = archive((tarfile.TarInfo("x/door/escaped"), b"bad"))
    assert roost("cp", ":/x", "target").code == 1
    assert list((roost.directory / "victim").iterdir()) == []


@pytest.mark.parametrize(("text", "ports"), [("8080", (8080, 8080)), ("9000:80", (9000, 80)), ("0:80", (0, 80))])
def test_ports_are_here_and_there(text: str, ports: tuple[int, int]) -> None:
    assert ports_of(text) == ports


@pytest.mark.parametrize("text", ["", "x", "80:", ":80", "1:2:3", "70000", "80:0", "-1"])
def test_ports_that_do_not_fit_are_refused(text: str) -> None:
    with pytest.raises(Failure):
        ports_of(text)


def test_a_port_of_this_machine_leads_to_the_instance_until_ctrl_c(roost: Roost, there: Running) -> None:
    environment = roost.environment | {"ROOST_SERVER": there.url, "ROOST_TOKEN": TOKEN, "PATH": os.environ["PATH"]}
    child = subprocess.Popen(
        [sys.executable, "-m", "roost.cli.main", "port-forward", "0:8080"],
        cwd=roost.directory,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None
        host, _, port = child.stdout.readline().strip().partition(":")
        for word in (b"one", b"two"):
            with socket.create_connection((host, int(port)), timeout=WAIT_S) as near:
                near.sendall(word)
                assert near.recv(100) == word.upper()
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=WAIT_S)
    finally:
        child.kill()
    assert child.returncode == 130
    assert "Traceback" not in err
    assert json.dumps(there.queries[0]) == json.dumps({"instance": ["b"], "port": ["8080"]})


def test_a_port_that_is_taken_is_told(roost: Roost, there: Running) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = roost("port-forward", f"{taken.getsockname()[1]}:8080")
    assert said.code == 1
    assert "0:8080" in said.err
