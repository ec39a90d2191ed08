"""A push of a repository becomes a running application, as a person sees it: git, the URL, versions, the way back."""

import concurrent.futures
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.conftest import Person, commit, get, kubectl_json, repository, until

pytestmark = pytest.mark.e2e

PAGE = """\
import os

from flask import Flask

app = Flask(__name__)


@app.get("/")
def page() -> str:
    return "VERSION " + os.environ.get("GREETING", "unset")
"""
FILES = {
    "app.py": PAGE.replace("VERSION", "one"),
    "requirements.txt": "flask\ngunicorn\n",
    "Procfile": "web: gunicorn --bind 0.0.0.0:$PORT app:app\n",
}


@pytest.fixture(scope="module")
def shop(member: Person, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A Flask application that was pushed once: its repository and its URL."""
    member.roost("project", "create", "shop")
    path = repository(member, tmp_path_factory.mktemp("shop") / "shop", FILES)
    pushed = member.git("push", member.remote("shop"), "main", cwd=path)
    url = f"http://shop-dev.{member.tenant}.roost.localhost"
    assert "Python" in pushed.err
    assert f"shop-dev.{member.tenant}.roost.localhost" in pushed.err.splitlines()[-3:].__str__()
    yield path, url


def test_the_pushed_application_answers(shop: tuple[Path, str]) -> None:
    answer = get(shop[1])
    assert (answer.status, answer.body) == (200, "one unset")


def test_one_push_makes_one_run_and_one_release(member: Person, shop: tuple[Path, str]) -> None:
    runs = kubectl_json("-n", f"{member.tenant}-build", "get", "runs.roost.dev")["items"]
    releases = kubectl_json("-n", f"{member.tenant}-dev", "get", "releases.roost.dev")["items"]
    assert [run["status"]["phase"] for run in runs] == ["Succeeded"]
    assert [release["spec"]["number"] for release in releases] == [1]
    assert runs[0]["spec"]["author"] == member.name


class Load:
    """Requests one after the other until told to stop; what did not answer 200 is kept."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.stop = threading.Event()
        self.failed: list[str] = []
        self.answers = 0

    def run(self) -> None:
        """Ask until `stop` is set."""
        while not self.stop.wait(0.02):
            answer = get(self.url)
            self.answers += 1
            if answer.status != 200:
                self.failed.append(f"{answer.status} {answer.body[:200]}")


def test_a_changed_line_serves_without_a_failed_request(member: Person, shop: tuple[Path, str]) -> None:
    path, url = shop
    load = Load(url)
    commit(member, path, {"app.py": PAGE.replace("VERSION", "two")}, "Second version.")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(load.run)
        member.git("push", member.remote("shop"), "main", cwd=path)
        until(lambda: get(url).body.startswith("two"), "the second version answers", 20)
        load.stop.set()
        running.result(30)
    assert load.answers > 10
    assert load.failed == []


def test_configuration_makes_a_version_and_reaches_the_program(member: Person, shop: tuple[Path, str]) -> None:
    member.roost("config", "set", "GREETING=hello", "-a", "shop")
    assert until(lambda: (a := get(shop[1])).body.endswith("hello") and a, "the variable is seen").status == 200


def test_a_secret_reaches_the_program_and_is_never_shown(member: Person, shop: tuple[Path, str]) -> None:
    member.roost("config", "set", "GREETING=canary-7351", "--secret", "-a", "shop")
    until(lambda: get(shop[1]).body.endswith("canary-7351"), "the secret is seen by the program")
    shown = member.roost("config", "list", "-a", "shop", "-o", "json").out
    versions = member.roost("releases", "-a", "shop", "-o", "json").out
    assert "canary-7351" not in shown + versions
    assert "GREETING" in shown


def test_rollback_brings_image_and_configuration_back(member: Person, shop: tuple[Path, str]) -> None:
    before = len(member.roost("releases", "-a", "shop", "-o", "json").json())
    member.roost("rollback", "v1", "--yes", "-a", "shop")
    until(lambda: get(shop[1]).body == "one unset", "version 1 answers again")
    after = member.roost("releases", "-a", "shop", "-o", "json").json()
    assert len(after) == before + 1


def test_after_a_rollback_pushes_wait_until_resumed(member: Person, shop: tuple[Path, str]) -> None:
    path, url = shop
    commit(member, path, {"app.py": PAGE.replace("VERSION", "three")}, "Third version.")
    pushed = member.git("push", member.remote("shop"), "main", cwd=path, ok=False)
    assert get(url).body == "one unset"
    assert "roost resume" in pushed.err
    member.roost("resume", "-a", "shop")
    until(lambda: get(url).body.startswith("three"), "the held version answers after resume")


def test_scale_and_logs(member: Person, shop: tuple[Path, str]) -> None:
    member.roost("scale", "web=2", "-a", "shop")
    pods = kubectl_json("-n", f"{member.tenant}-dev", "get", "pods", "-l", "roost.dev/app=shop,roost.dev/process=web")
    assert sum(pod["metadata"].get("deletionTimestamp") is None for pod in pods["items"]) == 2
    assert "gunicorn" in member.roost("logs", "-a", "shop", "--tail", "200").out


def test_a_broken_program_leaves_the_old_version_serving(member: Person, shop: tuple[Path, str]) -> None:
    path, url = shop
    good = get(url).body
    commit(member, path, {"app.py": "raise RuntimeError('broken on purpose')\n"}, "A broken version.")
    pushed = member.git("push", member.remote("shop"), "main", cwd=path, ok=False)
    assert get(url).body == good
    assert "broken on purpose" in pushed.err, pushed.err
    commit(member, path, {"app.py": PAGE.replace("VERSION", "four")}, "Mended.")
    member.git("push", member.remote("shop"), "main", cwd=path)
    until(lambda: get(url).body.startswith("four"), "the mended version answers")


def test_a_containerfile_is_built_and_answers(member: Person, tmp_path: Path) -> None:
    member.roost("project", "create", "plain")
    files = {
        "Containerfile": (
            "FROM base/python:3.13\nWORKDIR /srv\nRUN echo built-by-roost > index.html\n"
            'CMD ["sh", "-c", "exec python3 -m http.server $PORT"]\n'
        ),
    }
    path = repository(member, tmp_path / "plain", files)
    member.git("push", member.remote("plain"), "main", cwd=path)
    answer = get(f"http://plain-dev.{member.tenant}.roost.localhost/")
    assert (answer.status, answer.body) == (200, "built-by-roost\n")


@pytest.mark.full
def test_what_a_build_runs_is_held_by_a_filter_of_system_calls(member: Person, tmp_path: Path) -> None:
    """The builder itself has none (decision 0111); BuildKit puts one on every step, and no step gets new rights."""
    member.roost("project", "create", "held")
    steps = (
        "RUN grep -E '^Seccomp:\\s+2$' /proc/self/status\n"
        'RUN python3 -c "import ctypes; libc = ctypes.CDLL(None, use_errno=True);'
        ' assert libc.syscall(250, 0, 0) == -1 and ctypes.get_errno() == 1"\n'  # keyctl: EPERM.
        "RUN ! unshare --user --map-root-user true && ! mount -t tmpfs none /mnt\n"
    )
    serve = 'USER 65532\nCMD ["sh", "-c", "exec python3 -m http.server $PORT"]\n'
    path = repository(member, tmp_path / "held", {"Containerfile": f"FROM base/python:3.13\nUSER 0\n{steps}{serve}"})
    member.git("push", member.remote("held"), "main", cwd=path)
    runs = kubectl_json("-n", f"{member.tenant}-build", "get", "runs")["items"]
    mine = [item for item in runs if item["spec"]["project"] == "held"]
    assert [item["status"]["phase"] for item in mine] == ["Succeeded"], mine


@pytest.mark.parametrize(
    ("name", "files", "told"),
    [
        ("nothing", {"README.txt": "no program here\n"}, "Containerfile"),
        ("broken", {"Containerfile": "FROM base/python:3.13\nRUN exit 3\n"}, "RUN exit 3"),
        ("foreign", {"Containerfile": "FROM example.com/some/image:1\n"}, "base/python"),
    ],
)
def test_what_cannot_be_built_is_told(
    member: Person, tmp_path: Path, name: str, files: dict[str, str], told: str
) -> None:
    member.roost("project", "create", name)
    path = repository(member, tmp_path / name, files)
    pushed = member.git("push", member.remote(name), "main", cwd=path, ok=False)
    assert told in pushed.err
    assert get(f"http://{name}-dev.{member.tenant}.roost.localhost/").status == 404


def test_a_wrong_password_and_an_unknown_project_are_told_apart(member: Person, tmp_path: Path) -> None:
    path = repository(member, tmp_path / "some", {"a": "b\n"})
    wrong = member.remote("shop").replace(member.password, "not-the-password")
    refused = member.git("push", wrong, "main", cwd=path, ok=False)
    assert refused.code != 0 and "Authentication failed" in refused.err
    unknown = member.git("push", member.remote("nosuch"), "main", cwd=path, ok=False)
    assert unknown.code != 0 and "roost project create nosuch" in unknown.err
