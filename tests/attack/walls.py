"""Walls of delivery that are code and not policy: what an attacker sends, its harmless twin, and the line that refuses.

Each attack answers whether it works, by real effects: a file that is there, a text that is read, a request that came.
`guard` names what is taken away once (`test_walls`): then the attack must work, or something else had refused it. Walls
that only a server shows are tried beside that server, in tests/integration; docs/security.md lists both.
"""

import io
import re
import socket
import subprocess
import tarfile
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from defusedxml.ElementTree import iterparse

from roost.adapters import webhook
from roost.builds import containerfile, files, junit, run_log, step, tree, yaml_text
from roost.builds.bench import StepFailed
from roost.builds.errors import Unbuildable
from roost.builds.sources import bench
from roost.capabilities.promotion import plan as promotion
from roost.capabilities.promotion.model import Observed
from roost.gitserver import archive, hooks, looks, requests
from roost.gitserver.repositories import Name
from roost.kernel import golden
from roost.model import refs
from roost.model.kinds import triggers
from roost.model.kinds.delivery import Promotion
from roost.model.plan import Verdict
from roost.surface import fetch_token

Works = Callable[[Path], bool]
OUTSIDE = "what is none of theirs"


@dataclass(frozen=True)
class Wall:
    """attack, twin: whether it works, in an empty folder. guard: (module, attribute) and what stands there instead."""

    name: str
    attack: Works
    twin: Works
    guard: tuple[Any, str]
    instead: Any


def _secret(root: Path) -> Path:
    """A file beside the folder that a stranger filled."""
    outside = root / "outside"
    outside.mkdir(exist_ok=True)
    (outside / "secret").write_text(OUTSIDE)
    return outside


# Files that a stranger left.


def _unpacks(*path: str) -> Works:
    def works(root: Path) -> bool:
        made = io.BytesIO()
        with tarfile.open(fileobj=made, mode="w:gz") as into:
            member = tarfile.TarInfo("w/" + "/".join(path))
            member.size = 1
            into.addfile(member, io.BytesIO(b"x"))
        made.seek(0)
        (root / "w").mkdir()
        with suppress(tree.TreeRefused):
            tree.unpack(made, {"w/": root / "w"}, 1000)
        return any(root.rglob("owned"))

    return works


def _opens(link: bool) -> Works:
    """A JUnit file or an artefact, as the conductor opens it."""

    def works(root: Path) -> bool:
        inside = root / "workspace"
        inside.mkdir()
        target = _secret(root) / "secret"
        (inside / "report.xml").symlink_to(target) if link else (inside / "report.xml").write_text(OUTSIDE)
        file = tree.open_file(inside, "report.xml")
        if file is None:
            return False
        with file:
            return file.read().decode() == OUTSIDE

    return works


def _detects(path: str) -> Works:
    """A file as detection reads it."""

    def works(root: Path) -> bool:
        inside = root / "source"
        inside.mkdir()
        _secret(root)
        (inside / "Procfile").write_text(OUTSIDE)
        return files.Checkout(inside).read(path) == OUTSIDE

    return works


def _enters(link: bool) -> Works:
    """A folder to build in that is a link to the credentials."""

    def works(root: Path) -> bool:
        source = root / "source"
        source.mkdir()
        outside = _secret(root)
        if link:
            (source / "web").symlink_to(outside)
        else:
            (source / "web").mkdir()
            (source / "web" / "secret").write_text(OUTSIDE)
        with suppress(StepFailed):
            return (step.enter(source, "web") / "secret").read_text() == OUTSIDE
        return False

    return works


def _uploads(name: str, target: str = "") -> Works:
    """An entry of an archive."""

    def works(_: Path) -> bool:
        item = archive.Item(name, "120000" if target else "100644", 1, target)
        try:
            found = archive.checked([item], 1 << 20, False)[0]
        except archive.Refused:
            return False
        return [each.name for each in found.values()] == [name]

    return works


def _unpacked(size: int) -> Works:
    """An archive that says one size and holds another."""

    def works(_: Path) -> bool:
        try:
            return len(archive.Counted(io.BytesIO(b"x" * size), 1000).read(-1)) == size
        except archive.Refused:
            return False

    return works


# Texts that a stranger wrote.


def _xml(text: bytes) -> Works:
    def works(_: Path) -> bool:
        try:
            found = junit.read(io.BytesIO(text))
        except junit.JUnitWrong:
            return False
        return bool(found.cases) and "hahahaha" in found.cases[0].message

    return works


def _xml_without_guard(*arguments: Any, **more: Any) -> Any:
    return iterparse(*arguments, **{**more, "forbid_dtd": False, "forbid_entities": False})


_CASE = b'<testsuite><testcase name="a"><failure message="%s"/></testcase></testsuite>'
_BOMB = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>' + _CASE % b"&b;"


def _yaml(text: bytes) -> Works:
    def works(_: Path) -> bool:
        try:
            return len(yaml_text.load(text, 1000).value["x"]) == 4
        except yaml_text.YamlWrong:
            return False

    return works


def _shows(line: str) -> Works:
    """A line of a log that reaches the terminal as it is."""
    return lambda _: run_log.plain(line) == line


def _builds_from(image: str) -> Works:
    def works(_: Path) -> bool:
        try:
            containerfile.check_bases(f"FROM {image}\n", "registry.local:5000", "acme", ("base/python:3.13",))
        except Unbuildable:
            return False
        return True

    return works


def _parameter(name: str, value: str) -> Works:
    def works(_: Path) -> bool:
        try:
            return triggers.resolve([triggers.Parameter(name=name)], {name: value}) == {name: value}
        except ValueError:
            return False

    return works


# Refs, addresses, credentials.


def _pushes(ref: str) -> Works:
    def works(_: Path) -> bool:
        try:
            hooks.check_ref(ref)
        except hooks.Refused:
            return False
        return True

    return works


def _runs_git(url: str) -> Works:
    """A foreign repository's address that is a program, with real git."""

    def works(root: Path) -> bool:
        call = ["git", "ls-remote", "--end-of-options", url.replace("MARK", str(root / "owned"))]
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(root), **bench.settings([])}
        subprocess.run(call, env=environment, cwd=root, capture_output=True, check=False, timeout=60)
        return (root / "owned").exists()

    return works


def _settings_that_allow(config: Any) -> dict[str, str]:
    return _settings([*config, ("protocol.ext.allow", "always")])


_settings = bench.settings


def _serves_git(_: Path) -> bool:
    """https goes on; nothing answers there, which git says itself."""
    call = ["git", "ls-remote", "--end-of-options", "http://127.0.0.1:9/a.git"]
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **bench.settings([])}
    done = subprocess.run(call, env=environment, capture_output=True, text=True, check=False, timeout=60)
    return "not allowed" not in done.stderr and "onnect" in done.stderr


def _delivers(key: str, age_s: int = 0, tampered: bool = False) -> Works:
    """A webhook, signed as Standard Webhooks has it."""

    def works(_: Path) -> bool:
        now = datetime(2026, 11, 29, tzinfo=UTC)
        signed = webhook.signed(key, "d-1", b"{}", now - timedelta(seconds=age_s))
        try:
            looks.check(signed, b"[]" if tampered else b"{}", "the project's", now)
        except requests.Refused:
            return False
        return True

    return works


def _fetches(project: str, what: str = fetch_token.FETCH) -> Works:
    """A run's token at the git server."""

    def works(_: Path) -> bool:
        now = datetime(2026, 11, 29, tzinfo=UTC)
        token = fetch_token.mint("secret", ("acme", project), now, timedelta(minutes=5), what)
        headers = {"authorization": f"Bearer {token}"}
        request = requests.GitRequest(Name.parse("acme", "shop"), requests.PUSH, True, "", "", headers)
        try:
            return requests.authenticate(request, "secret", now) == requests.IMPORT
        except requests.Refused:
            return False

    return works


def _tells(host: str) -> Works:
    """A webhook out, to something that listens on this machine alone."""

    def works(_: Path) -> bool:
        came = threading.Event()
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(5)

            def once() -> None:
                with suppress(OSError):
                    connection, _ = server.accept()
                    came.set()
                    connection.close()

            thread = threading.Thread(target=once, daemon=True)
            thread.start()
            port = server.getsockname()[1]
            allowed = webhook.networks("127.0.0.0/8") if host == "allowed" else ()
            sender = webhook.Sender(allowed, timeout_s=5, resolve=lambda *_: ["127.0.0.1"])
            with suppress(webhook.AddressRefused, webhook.NotTaken):
                sender.send(f"http://rebinding.example:{port}/", {}, b"{}")
            return came.wait(0.2)

    return works


def _promotes(image: str) -> Works:
    def works(_: Path) -> bool:
        spec = {"app": "shop", "artefact": {"image": f"{image}@sha256:{'a' * 64}"}}
        made = Promotion.parse({"metadata": {"name": "p", "namespace": "acme-dev"}, "spec": spec})
        planned = promotion.plan(made, Observed(tenant="acme", environment="dev"), golden.NOW)
        return bool(planned.status["phase"] == "Applied")

    return works


_OWN = "registry.roost-system.svc:5000"
_ALL: Mapping[str, Any] = {"yes": lambda *_, **__: True, "nothing": lambda *_, **__: None, "same": lambda text: text}
WALLS = [
    Wall(
        "a-path-out-of-a-cache",
        _unpacks("..", "owned"),
        _unpacks("sub", "owned"),
        (tree, "safe"),
        lambda path: path.split("/"),
    ),
    Wall("a-report-that-is-a-link", _opens(True), _opens(False), (tree, "_READ"), 0),
    Wall(
        "a-file-out-of-the-commit",
        _detects("../outside/secret"),
        _detects("Procfile"),
        (files, "_clean"),
        lambda path: path.split("/"),
    ),
    Wall("a-folder-that-is-a-link", _enters(True), _enters(False), (Path, "is_symlink"), lambda _: False),
    Wall("a-name-out-of-an-archive", _uploads("../x"), _uploads("a/x"), (archive, "clean"), _ALL["same"]),
    Wall(
        "a-link-out-of-an-archive",
        _uploads("a/x", "../../secret"),
        _uploads("a/x", "../y"),
        (archive, "check_link"),
        _ALL["nothing"],
    ),
    Wall("an-archive-that-lies", _unpacked(5000), _unpacked(500), (archive, "Counted"), lambda inner, _: inner),
    Wall("a-bomb-of-entities", _xml(_BOMB), _xml(_CASE % b"hahahaha"), (junit, "iterparse"), _xml_without_guard),
    Wall(
        "a-bomb-of-aliases",
        _yaml(b"a: &a 1\nx: [*a, *a, *a, *a]\n"),
        _yaml(b"x: [1, 1, 1, 1]\n"),
        (yaml_text, "_check"),
        _ALL["nothing"],
    ),
    Wall("a-line-that-paints", _shows("\x9b2Jowned"), _shows("plain"), (run_log, "_CONTROLS"), re.compile("$^")),
    Wall(
        "a-base-from-outside",
        _builds_from("docker.io/x"),
        _builds_from("base/python:3.13"),
        (containerfile, "bases"),
        lambda *_: [],
    ),
    Wall(
        "a-parameter-that-loads",
        _parameter("LD_PRELOAD", "/x.so"),
        _parameter("LEVEL", "/x.so"),
        (triggers, "RESERVED_PREFIXES"),
        (),
    ),
    Wall(
        "a-parameter-of-two-lines",
        _parameter("LEVEL", "a\nRUN x"),
        _parameter("LEVEL", "a RUN x"),
        (triggers.Parameter, "check"),
        _ALL["nothing"],
    ),
    Wall("a-ref-aside", _pushes("refs/replace/x"), _pushes("refs/heads/x"), (hooks, "HEADS"), "refs/"),
    Wall(
        "a-merge-request-that-is-none",
        _pushes("refs/merge-requests/1/head/../x"),
        _pushes("refs/merge-requests/1/head"),
        (refs, "_REQUEST"),
        re.compile("refs/merge-requests/([1-9])"),
    ),
    Wall(
        "an-address-that-is-a-program",
        _runs_git("ext::sh -c touch% MARK"),
        _serves_git,
        (bench, "settings"),
        _settings_that_allow,
    ),
    Wall("a-forged-webhook", _delivers("another"), _delivers("the project's"), (looks, "_same"), _ALL["yes"]),
    Wall(
        "an-altered-webhook",
        _delivers("the project's", tampered=True),
        _delivers("the project's"),
        (looks, "_same"),
        _ALL["yes"],
    ),
    Wall(
        "a-replayed-webhook",
        _delivers("the project's", 600),
        _delivers("the project's", 60),
        (looks, "TOLERANCE_S"),
        10**9,
    ),
    Wall(
        "a-token-of-another-repository",
        _fetches("other", fetch_token.PUSH),
        _fetches("shop", fetch_token.PUSH),
        (fetch_token, "opens"),
        _ALL["yes"],
    ),
    Wall(
        "a-token-to-fetch-that-pushes",
        _fetches("shop"),
        _fetches("shop", fetch_token.PUSH),
        (fetch_token, "opens"),
        _ALL["yes"],
    ),
    Wall("a-receiver-inside", _tells("rebinding"), _tells("allowed"), (webhook, "is_outside"), _ALL["yes"]),
    Wall(
        "an-image-of-another-tenant",
        _promotes(f"{_OWN}/rival/shop"),
        _promotes(f"{_OWN}/acme/shop"),
        (promotion, "admissible"),
        lambda *_: Verdict(True),
    ),
]
