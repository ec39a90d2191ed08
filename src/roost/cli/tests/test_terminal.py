"""`roost` in a real terminal (pexpect): prompts, live pictures, and Ctrl-C, which is always heeded at once."""

import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest
from rich.cells import cell_len

from roost.cli.tests.fake_api import APP, IMAGE, MOMENT, TOKEN, FakeApi, instance

WAIT_S = 20
FUTEX = 202  # The number of the system call in which who waits for a lock is; on x86-64.
SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
AT_ONCE_S = 4  # Far below every time-out of the CLI; the machine may be busy.


class Terminal:
    """Starts `roost` in a terminal of 100 by 30."""

    def __init__(self, api: FakeApi, directory: Path) -> None:
        self.api, self.directory = api, directory
        self.children: list[pexpect.spawn] = []

    def __call__(self, *arguments: str, **environment: str) -> pexpect.spawn:
        """The running process."""
        known = {"HOME": str(self.directory), "TERM": "xterm-256color", "LANG": "C.UTF-8", "ROOST_SERVER": self.api.url}
        child = pexpect.spawn(
            sys.executable,
            ["-m", "roost.cli.main", *arguments],
            env=known | {"ROOST_TOKEN": TOKEN} | environment,
            cwd=str(self.directory),
            dimensions=(30, 100),
            encoding="utf-8",
            timeout=WAIT_S,
        )
        self.children.append(child)
        return child


@pytest.fixture
def terminal(api: FakeApi, tmp_path: Path) -> Iterator[Terminal]:
    """`roost` in a terminal, in a directory that names acme, dev and shop."""
    (tmp_path / "roost.yaml").write_text("tenant: acme\nenv: dev\napp: shop\n")
    made = Terminal(api, tmp_path)
    yield made
    for child in made.children:
        child.close(force=True)


def ended(child: pexpect.spawn) -> int:
    """The exit code."""
    child.expect(pexpect.EOF)
    child.close()
    assert child.signalstatus is None
    return int(child.exitstatus)


def interrupted(child: pexpect.spawn) -> None:
    """Press Ctrl-C; it must end at once, with 130."""
    begin = time.monotonic()
    child.sendintr()
    assert ended(child) == 130
    assert time.monotonic() - begin < AT_ONCE_S


def test_login_asks_for_name_and_password_and_does_not_show_the_password(terminal: Terminal) -> None:
    child = terminal("login", terminal.api.url, ROOST_TOKEN="")
    child.expect("Name: ")
    child.sendline("mei")
    child.expect("Password: ")
    child.sendline("secret word")
    child.expect("Signed in at")
    assert "secret word" not in child.before
    assert ended(child) == 0
    assert TOKEN in (terminal.directory / ".config/roost/config.toml").read_text()


def test_ctrl_c_at_the_password_keeps_nothing(terminal: Terminal) -> None:
    child = terminal("login", terminal.api.url, "--name", "mei", ROOST_TOKEN="")
    child.expect("Password: ")
    interrupted(child)
    assert not (terminal.directory / ".config/roost/config.toml").exists()


def test_deleting_asks_for_the_name_and_stops_at_another(terminal: Terminal) -> None:
    child = terminal("app", "delete", "shop")
    child.expect("Type shop to go on: ")
    child.sendline("ship")
    child.expect("Nothing was changed")
    assert ended(child) == 2
    assert APP in terminal.api.objects


def test_deleting_goes_on_with_the_name(terminal: Terminal) -> None:
    child = terminal("app", "delete", "shop")
    child.expect("Type shop to go on: ")
    child.sendline("shop")
    assert ended(child) == 0
    assert APP not in terminal.api.objects


def test_rollback_asks_and_no_changes_nothing(terminal: Terminal) -> None:
    child = terminal("rollback")
    child.expect("Looks safe")
    child.expect(r"\[y/N\]")
    child.sendline("n")
    assert ended(child) == 1
    assert terminal.api.asked("POST", f"{APP}/rollback") == []


def test_deploy_draws_its_steps_and_leaves_them(terminal: Terminal) -> None:
    child = terminal("deploy", IMAGE)
    child.expect("✓.*Serving.*http://shop-dev.acme.roost.localhost")
    assert ended(child) == 0


def test_ctrl_c_while_following_says_that_the_work_goes_on(terminal: Terminal) -> None:
    terminal.api.settles = False
    child = terminal("deploy", IMAGE)
    child.expect("Instances")
    begin = time.monotonic()
    child.sendintr()
    child.expect("It goes on without you")
    assert ended(child) == 130
    assert time.monotonic() - begin < AT_ONCE_S


def test_watching_draws_anew_when_something_changes_until_ctrl_c(terminal: Terminal) -> None:
    child = terminal("status", "-w")
    child.expect("acme/dev/shop")
    terminal.api.objects[APP]["status"]["conditions"][0].update(status="False", reason="Unhealthy", message="It fell.")
    child.expect("It fell.")
    interrupted(child)


def test_watching_outlives_an_api_that_is_away(terminal: Terminal) -> None:
    child = terminal("status", "-w")
    child.expect("acme/dev/shop")
    terminal.api.fail(APP, "unavailable")
    child.expect("Trying again")
    child.expect("acme/dev/shop")
    interrupted(child)


def test_ctrl_c_ends_a_silent_log_at_once(terminal: Terminal) -> None:
    terminal.api.lines = [{"time": MOMENT, "instance": "shop-web-x7k2p", "process": "web", "line": "\x1b[2Jhello"}]
    terminal.api.hold = True
    child = terminal("logs", "-f")
    child.expect("hello")
    assert "\x1b[2J" not in child.before
    interrupted(child)


def test_ctrl_c_ends_the_wait_for_a_server_that_never_answers(terminal: Terminal) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        child = terminal("app", "list", ROOST_SERVER=f"http://127.0.0.1:{silent.getsockname()[1]}")
        silent.settimeout(WAIT_S)
        connection, _ = silent.accept()
        with connection:
            connection.recv(1)
            interrupted(child)


def test_ctrl_c_ends_a_process_that_waits_in_c(terminal: Terminal) -> None:
    # A mutex that is locked twice waits for ever and is not woken by signals, as a resolver without an answer.
    code = (
        "import ctypes, roost.cli.main as m\n"
        "def run(*_):\n"
        "    libc, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(64)\n"
        "    libc.pthread_mutex_lock(mutex); print('waiting', flush=True); libc.pthread_mutex_lock(mutex)\n"
        "m.run = run; m.main()"
    )
    child = pexpect.spawn(sys.executable, ["-c", code], timeout=WAIT_S, encoding="utf-8")
    terminal.children.append(child)
    child.expect("waiting")
    deadline = time.monotonic() + WAIT_S  # Until it has gone from Python into the lock.
    while not Path(f"/proc/{child.pid}/syscall").read_text().startswith(f"{FUTEX} "):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    interrupted(child)


def test_ctrl_c_is_heeded_where_the_caller_ignores_it(terminal: Terminal) -> None:
    command = f"trap '' INT; exec {sys.executable} -m roost.cli.main status -w"
    environment = {
        "HOME": str(terminal.directory),
        "ROOST_SERVER": terminal.api.url,
        "ROOST_TOKEN": TOKEN,
        "TERM": "xterm",
    }
    child = pexpect.spawn(
        "/bin/sh", ["-c", command], env=environment, cwd=str(terminal.directory), timeout=WAIT_S, encoding="utf-8"
    )
    terminal.children.append(child)
    child.expect("acme/dev/shop")
    interrupted(child)


def test_a_reader_that_leaves_gets_no_traceback(terminal: Terminal) -> None:
    terminal.api.lines = [
        {"time": "", "instance": "shop-web-x7k2p", "process": "web", "line": "x" * 1000} for _ in range(500)
    ]
    environment = {"HOME": str(terminal.directory), "ROOST_SERVER": terminal.api.url, "ROOST_TOKEN": TOKEN}
    command = f"{sys.executable} -m roost.cli.main logs | head -n 1"
    done = subprocess.run(
        ["bash", "-c", command], env=environment, cwd=terminal.directory, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert done.stdout.startswith("web.x7k2p | x")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("roost rollb", "plain,rollback"),
        ("roost tenant mem", "plain,member"),
        ("roost status -t ", "plain,acme"),
        ("roost status -e d", "plain,dev"),
        ("roost status -a s", "plain,shop"),
        ("roost status -a x", ""),
    ],
)
def test_tab_completes_commands_and_names(terminal: Terminal, words: str, found: str) -> None:
    environment = {"HOME": str(terminal.directory), "ROOST_SERVER": terminal.api.url, "ROOST_TOKEN": TOKEN}
    environment |= {"_ROOST_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    command = [sys.executable, "-m", "roost.cli.main"]
    done = subprocess.run(command, env=environment, cwd=terminal.directory, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == found
    assert done.stderr == ""


def test_tab_is_silent_where_the_api_is_away(terminal: Terminal) -> None:
    environment = {"HOME": str(terminal.directory), "ROOST_SERVER": "http://127.0.0.1:9", "ROOST_TOKEN": TOKEN}
    environment |= {"_ROOST_COMPLETE": "bash_complete", "COMP_WORDS": "roost status -t ", "COMP_CWORD": "3"}
    command = [sys.executable, "-m", "roost.cli.main"]
    done = subprocess.run(command, env=environment, cwd=terminal.directory, capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("", "")


@pytest.mark.parametrize(("width", "language"), [(60, "zh"), (160, "en")])
@pytest.mark.parametrize("arguments", [("status", "--tree"), ("status",), ("app", "list")])
def test_nothing_is_cut_off_or_broken_in_narrow_and_wide_terminals(
    terminal: Terminal, arguments: tuple[str, ...], width: int, language: str
) -> None:
    end = {"exitCode": 1, "words": "ModuleNotFoundError: No module named flask, which is a long story to tell here"}
    terminal.api.instances.append(
        instance("shop-web-q8w2e", ready=False, state="waiting", reason="CrashLoopBackOff", lastEnd=end)
    )
    child = terminal(*arguments, ROOST_LANG=language, NO_COLOR="1")
    child.setwinsize(60, width)
    child.expect(pexpect.EOF)
    lines = SEQUENCE.sub("", child.before).replace("\r", "").splitlines()
    assert "Traceback" not in child.before
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", child.before), "NO_COLOR is heeded"
    # Facts are one line each, for whoever copies them; what is drawn side by side stays within the terminal.
    drawn = [line for line in lines if not re.match(r"\S+[:\uff1a] ", line)]
    assert max(map(cell_len, drawn)) <= width
    text = "".join(re.sub(r"[\s\u2502]", "", line) for line in lines)
    if arguments == ("status", "--tree"):
        assert "whichisalongstorytotellhere" in text
