"""Containerfiles that mean harm, with the real BuildKit, called as a run calls it: nothing beside the commit is read.

The daemon runs on this machine as root, without the user namespace that it has in a cluster: what is tried here is what
BuildKit and our words to it refuse, not the walls of its pod (tests/e2e/test_build_walls.py).
"""

import hashlib
import io
import json
import os
import platform
import subprocess
import tarfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from roost.builds import containerfile, step
from roost.builds.bench import Bench
from roost.builds.detect import Detected
from roost.builds.narrate import Narrator
from roost.model.build_task import Task
from roost.node import engine
from tests.integration.apiserver import die_with_parent

pytestmark = pytest.mark.integration
CANARY = "the-secret-of-somebody-else"
BASE = "base/busybox:1.37"
PROGRAMS = ("sh", "cat", "cp")
TASK = Task.model_validate(
    {
        "tenant": "acme",
        "project": "hello",
        "commit": "a" * 40,
        "attempt": 1,
        "gitUrl": "http://git.invalid",
        "registry": "registry.invalid:5000",
        "builder": "tcp://builder:1234",
        "timeoutS": 60,
    }
)


@dataclass
class Builder:
    """A buildkitd, and the base image as a folder."""

    folder: Path
    buildctl: Path
    layout: Path
    digest: str

    def build(self, text: str, links: Mapping[str, str] = {}, task: Task = TASK, guarded: bool = True) -> str:
        """All that a build says and makes of a commit with that Containerfile. `guarded`: as a run calls it."""
        made = Path(str(self.folder / f"build-{time.monotonic_ns()}"))
        context, credentials, trust, work = (made / name for name in ("context", "credentials", "trust", "work"))
        for folder in (context, credentials, trust, work):
            folder.mkdir(parents=True)
        (made / "outside").write_text(CANARY)
        (credentials / "config.json").write_text(json.dumps({"auths": {}, "canary": CANARY}))
        (context / "own").write_text("the commit's own")
        for name, target in links.items():
            (context / name).symlink_to(target)
        bench = Bench(credentials, trust, work, print)
        found = Detected(f"{text}\n", "Containerfile", (), (), ())
        if guarded:
            containerfile.check_bases(found.containerfile, task.registry, task.tenant, (BASE,))
        argv = list(step._command(task, bench, context, found, {}).argv)
        if not guarded:
            (work / "recipe" / "Containerfile").write_text(f"{text}\n")
        out = made / "out"
        argv = [part for part in argv if not part.startswith("--output=")]
        argv[:1] = [str(self.buildctl), f"--addr=unix://{self.folder}/sock"]
        argv += [f"--output=type=local,dest={out}", f"--oci-layout=l={self.layout}"]
        argv += [f"--opt=context:{BASE}=oci-layout://l@{self.digest}"]
        done = subprocess.run(
            argv,
            cwd=work,
            env={"PATH": "/usr/bin:/bin", "HOME": str(work)},
            capture_output=True,
            check=False,
            timeout=90,
        )
        assert b"failed to list workers" not in done.stderr, "The builder is gone."
        files = "".join(path.read_text(errors="replace") for path in sorted(out.glob("got*")) if path.is_file())
        return f"{done.returncode}\n{_logs(done.stderr)}\n{files}"


def _logs(said: bytes) -> str:
    """Lines of BuildKit's progress, with what programs printed."""
    narrator = Narrator()
    lines = [told for line in said.decode(errors="replace").splitlines() for told in narrator.feed(line)]
    return "\n".join([*lines, narrator.failure(own=True)])


def _base(layout: Path) -> str:
    """An image of this machine's own shell and what it needs, as an OCI layout; its digest."""
    blobs = layout / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    wanted = {f"/bin/{name}" for name in PROGRAMS}
    for name in PROGRAMS:
        told = subprocess.run(["ldd", f"/bin/{name}"], capture_output=True, text=True, check=True).stdout
        wanted |= {word for word in told.split() if word.startswith("/")}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as into:
        for path in sorted(wanted):
            member = tarfile.TarInfo(path.lstrip("/"))
            content = Path(path).read_bytes()
            member.size, member.mode = len(content), 0o755
            into.addfile(member, io.BytesIO(content))

    def kept(content: bytes, kind: str) -> dict[str, object]:
        digest = hashlib.sha256(content).hexdigest()
        (blobs / digest).write_bytes(content)
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(content)}

    layer = kept(packed.getvalue(), "layer.v1.tar")
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
    config = {"architecture": machine, "os": "linux", "config": {"Env": ["PATH=/bin"]}}
    config["rootfs"] = {"type": "layers", "diff_ids": [layer["digest"]]}
    manifest: dict[str, object] = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json"}
    manifest |= {"config": kept(json.dumps(config).encode(), "config.v1+json"), "layers": [layer]}
    made = kept(json.dumps(manifest).encode(), "manifest.v1+json")
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [made]}))
    return str(made["digest"])


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Builder]:
    folder = tmp_path_factory.mktemp("buildkit")
    made = engine.existing(["buildkit", "runc"])
    layout = folder / "layout"
    digest = _base(layout)
    alone = ["unshare", "--mount", "--propagation", "slave"]
    command = [str(made.path("buildkitd")), f"--addr=unix://{folder}/sock", f"--root={folder}/root"]
    command += ["--oci-worker-snapshotter=native", "--oci-worker-net=host", "--containerd-worker=false"]
    environment = {**os.environ, "PATH": f"{made.path('runc').parent}:{os.environ['PATH']}"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*alone, *command], stdout=log, stderr=log, env=environment, preexec_fn=die_with_parent
        )
        try:
            deadline = time.monotonic() + 60
            while "running server" not in (folder / "log").read_text():
                assert process.poll() is None and time.monotonic() < deadline, (folder / "log").read_text()
                time.sleep(0.1)
            yield Builder(folder, made.path("buildctl"), layout, digest)
        finally:
            process.terminate()
            process.wait(30)


FROM = f"FROM {BASE} AS a\n"
SHOW = "\nFROM scratch\nCOPY --from=a /got* /\n"
READS = {
    "a mount above the commit": "RUN --mount=type=bind,source=../,target=/m cat /m/outside /m/credentials/* > /got",
    "a mount of a link": "RUN --mount=type=bind,source=up,target=/m cat /m > /got",
    "a mount of an absolute link": "RUN --mount=type=bind,source=abs,target=/m cat /m/config.json > /got",
    "a copy from above": "COPY ../outside /got",
    "a copy of a link": "COPY up /got\nRUN cat /got > /got2",
    "a copy through a link": "COPY abs/config.json /got",
    "a file's address": "ADD file:///proc/self/environ /got",
    "the client's ssh agent": "RUN --mount=type=ssh,required=true cat /run/buildkit/ssh_agent.0 > /got",
    "a secret that nobody gave": "RUN --mount=type=secret,id=config.json,required=true cat /run/secrets/* > /got",
    "more than the sandbox": "RUN --security=insecure cat /proc/1/root/etc/hostname > /got && echo " + CANARY,
    "the host's network": "RUN --network=host true && echo " + CANARY,
}


@pytest.mark.full
@pytest.mark.parametrize("text", READS.values(), ids=READS)
def test_nothing_beside_the_commit_is_read(builder: Builder, text: str) -> None:
    shown = builder.build(FROM + text + SHOW, {"up": "../outside", "abs": "../credentials"})
    assert not shown.startswith("0\n") or CANARY not in shown, shown
    assert CANARY not in shown.partition("echo")[0], shown


def test_what_is_the_commits_own_is_read(builder: Builder) -> None:
    text = "RUN --mount=type=bind,source=.,target=/m cat /m/own > /got"
    assert "the commit's own" in builder.build(FROM + text + SHOW)


def test_a_frontend_of_others_is_not_fetched(builder: Builder) -> None:
    text = "# syntax=127.0.0.1:9/evil/frontend:1\n" + FROM + "RUN echo fine > /got" + SHOW
    assert "fine" in builder.build(text)
    assert "127.0.0.1:9" in builder.build(text, guarded=False), "Without the guard BuildKit asks for it."


CACHE = "RUN --mount=type=cache,id=pip,target=/c "
FILL = FROM + CACHE + f"echo {CANARY} > /c/%s && cp /c/%s /got" + SHOW
# What the branch runs as well, with the same words: a package manager that finds something in its cache.
INSTALL = FROM + CACHE + "(cat /c/%s || echo clean) > /got" + SHOW
PROPOSED = TASK.model_copy(update={"rights": "reduced"})


def test_what_is_only_proposed_poisons_no_cache_of_the_branch(builder: Builder) -> None:
    assert CANARY in builder.build(FILL.replace("%s", "one"), task=PROPOSED)
    assert CANARY in builder.build(INSTALL % "one", task=PROPOSED), "Its own cache is its own."
    shown = builder.build(INSTALL % "one")
    assert "clean" in shown and CANARY not in shown, "A step of the branch was taken from what was only proposed."


@pytest.mark.full
@pytest.mark.parametrize("guards", [("hostname",), ("BUILDKIT_CACHE_MOUNT_NS",)], ids=lambda names: names[0])
def test_without_either_guard_it_does(
    builder: Builder, monkeypatch: pytest.MonkeyPatch, guards: tuple[str, ...]
) -> None:
    whole = step._command

    def without(*arguments: Any) -> step.Command:
        made = whole(*arguments)
        return replace(made, argv=[part for part in made.argv if not any(name in part for name in guards)])

    monkeypatch.setattr(step, "_command", without)
    mark = guards[0].lower()
    builder.build(FILL.replace("%s", mark), task=PROPOSED)
    builder.build(INSTALL % mark, task=PROPOSED)
    assert CANARY in builder.build(INSTALL % mark)
