"""A member who is taken out while a shell, a log and a watch of theirs are open, on the cluster, at real terminals."""

import time
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest
from tests.e2e.conftest import Person, made_person, repository
from tests.e2e.test_cli import PAGE, Terminal

pytestmark = [pytest.mark.e2e, pytest.mark.full]
PROMISED_S = 60


@pytest.fixture(scope="module")
def shop(member: Person, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An application that was pushed; its name."""
    member.roost("project", "create", "shop")
    files = {"app.py": PAGE, "requirements.txt": "", "Procfile": "web: python app.py\n"}
    path = repository(member, tmp_path_factory.mktemp("shop") / "shop", files)
    member.git("push", member.remote("shop"), "main", cwd=path)
    return "shop"


@pytest.fixture
def guest(administrator: Person, member: Person, tmp_path: Path) -> Iterator[Person]:
    """A second developer of the tenant."""
    with made_person(administrator, f"{member.tenant}-guest", member.tenant, "developer", tmp_path) as person:
        yield person


def opened(person: Person, app: str) -> dict[str, pexpect.spawn]:
    """Their three streams, each of which has brought something."""
    terminal = Terminal(person)
    shell = terminal("exec", "-a", app, "--", "sh")
    shell.sendline("echo $((6 * 7))")
    shell.expect("42")
    logs = terminal("logs", "-a", app, "-f", "--tail", "10")
    logs.expect("ready to serve")
    watch = terminal("status", "-a", app, "-w")
    watch.expect("1/1")
    return {"exec": shell, "logs": logs, "status": watch}


def ended(child: pexpect.spawn, within_s: float) -> bool:
    try:
        child.expect(pexpect.EOF, timeout=max(within_s, 0.1))
    except pexpect.TIMEOUT:
        return False
    return True


def test_the_shell_the_log_and_the_watch_are_cut_and_nobody_elses(
    administrator: Person, member: Person, guest: Person, shop: str
) -> None:
    theirs, others = opened(guest, shop), opened(member, shop)
    try:
        assert guest.roost("status", "-a", shop).code == 0
        administrator.roost("tenant", "member", "remove", member.tenant, guest.name)
        removed = time.monotonic()
        for name, child in theirs.items():
            left = removed + PROMISED_S - time.monotonic()
            assert ended(child, left), f"{name} is still open {PROMISED_S} s after its person was removed"
            child.close()
            assert child.exitstatus not in (0, None), name
        for command in (["status", "-a", shop], ["logs", "-a", shop], ["exec", "-a", shop, "--", "id"]):
            refused = guest.roost(*command, ok=False)
            assert refused.code == 3, refused  # There is no such tenant, for them.
        # The twin: whoever stays keeps what is open.
        assert all(child.isalive() for child in others.values())
        others["exec"].sendline("echo $((7 * 7))")
        others["exec"].expect("49", timeout=20)
    finally:
        for child in (*theirs.values(), *others.values()):
            child.close(force=True)
