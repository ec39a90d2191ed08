"""The steps of a run in its pod: fetch, detect, build, push, report. `roost.mains.step` calls `carry_out`.

The pod has no Kubernetes token and nobody else's secrets. Every program is started by argv without a shell and with an
environment of its own; what the repository brings is only read, or handed to the builder.

    StepFailed      a step ended in a way that its owner must see; `reason` is CamelCase
    Halted          the time is over, or the run was cancelled
    BuilderLost     the builder went away: the pod ends without a report and is tried again
"""

import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from roost.adapters.registry import Registry, RegistryFailed, over_tls
from roost.builds import bill_store, scan
from roost.builds import containerfile as text_of
from roost.builds import registry as registries
from roost.builds import site as sites
from roost.builds.detect import Detected, detect
from roost.builds.errors import Unbuildable
from roost.builds.files import Checkout
from roost.builds.narrate import INDENT, Narrator
from roost.builds.registry import config as config_of
from roost.builds.registry import offered as offered_in
from roost.model import findings
from roost.model.bases import BASES
from roost.model.build_report import BuildReport
from roost.model.build_task import FETCH_TOKEN, REGISTRY_TOKEN, Task
from roost.model.findings import Findings
from roost.model.kinds.app import Process

TRIES = 120  # A builder or a git server that died is there again within seconds.
PAUSE_S = 0.5
DEATHS = 3  # So often a builder that dies in the middle of one build is an accident.
_DIED = (
    f"The builder died {DEATHS} times in the middle of this build: it takes more memory or disk than a build may have."
)
Say = Callable[[str], None]


class StepFailed(Exception):
    """The text is for the pusher."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Halted(Exception):
    """The bench was told to stop."""


class BuilderLost(Exception):
    """The builder cannot be reached."""


@dataclass
class Bench:
    """Where a step works: folders, how it speaks, and when it must stop.

    credentials, trust, work: folders. stop: set when the time is over or the run was cancelled; `why` says which.
    """

    credentials: Path
    trust: Path
    work: Path
    say: Say
    stop: threading.Event = field(default_factory=threading.Event)
    why: str = ""

    def secret(self, name: str) -> str:
        """One of the run's own secrets."""
        return (self.credentials / name).read_text().strip()

    def pause(self, seconds: float) -> None:
        """Wait, but not longer than the step may go on."""
        if self.stop.wait(seconds):
            raise Halted

    def halt(self, why: str) -> None:
        """Stop what runs."""
        self.why = self.why or why
        self.stop.set()


def carry_out(task: Task, bench: Bench) -> BuildReport:
    """The whole run; a report in every case but BuilderLost."""
    detected, found_bad = "", None
    try:
        root = fetch(task, bench)
        context = enter(root, task.build.context)
        connect = over_tls(task.registry, str(bench.trust / "ca.crt"))
        registry = Registry(connect, bench.secret(REGISTRY_TOKEN), bench.pause)
        scanned = look(task, bench, root, registry)
        found_bad = len(scanned.items) + scanned.more if task.scan.secrets else None
        judge(task, scanned)
        offered = offered_in(registry, BASES)
        found = detect(Checkout(context), task.build, offered)
        detected = "\n".join(found.lines)
        for line in found.lines:
            bench.say(f"-----> {line}")
        digest = build(task, bench, context, found, offered)
        own = f"{task.tenant}/{task.project}"
        manifest = registry.manifest(own, digest) or {}
        config = config_of(registry, own, manifest)
        processes = found.said.applied(settle_processes(found.processes, config, task.build.port))
        bill(registry, bill_store.Image(own, digest, manifest, likely(found, offered)), bench)
        bench.say(f"-----> Built {own}@{digest[:19]}")
        return BuildReport(
            ok=True,
            image=task.repository,
            digest=digest,
            runs_as_root=registries.runs_as_root(config),
            processes=processes,
            release_command=found.release_command,
            detected=detected[:1500],
            findings=found_bad,
        )
    except Halted:
        error = _halted(bench, task)
        return BuildReport(ok=False, reason=error.reason, message=str(error), detected=detected[:1500])
    except (StepFailed, Unbuildable) as error:
        words = str(error)[:1500]
        return BuildReport(ok=False, reason=error.reason, message=words, detected=detected[:1500], findings=found_bad)
    except RegistryFailed as error:
        raise BuilderLost(str(error)) from error


def look(task: Task, bench: Bench, root: Path, registry: Registry) -> Findings:
    """What the scan finds, kept in the registry. StepFailed: without it nothing is built."""
    if not task.scan.secrets:
        return Findings()
    try:
        scanned = scan.secrets(root, bench.work, task.waived)
    except scan.ScanFailed as error:
        raise StepFailed("ScanFailed", str(error)) from error
    bench.say(f"-----> Scanned for secrets: {len(scanned.items) + scanned.more or 'no'} findings")
    for item in scanned.items[:5]:
        bench.say(f"{INDENT}{item.place}  {item.rule}  {item.severity}{', waived' if item.waived else ''}")
    if scanned.items:
        content = scanned.model_dump_json(by_alias=True).encode()
        kept = f"{task.tenant}/{task.project}"
        registry.put_artefact(kept, findings.KIND, content, tag=findings.tag(task.attempt, task.commit))
    return scanned


def judge(task: Task, scanned: Findings) -> None:
    """StepFailed where something of it stops the run."""
    stopping = findings.blocking(scanned, task.scan.block)
    if stopping:
        raise StepFailed("FindingsBlock", scan.verdict(stopping, task.project))


def settle_processes(found: tuple[Process, ...], config: Mapping[str, Any], port: int) -> tuple[Process, ...]:
    """The processes; where the repository names none, web with the image's own command at the port that it exposes."""
    if found:
        return found
    exposed = registries.only_port(dict(config))
    return (Process(name="web", port=exposed or port),)


def likely(found: Detected, offered: tuple[str, ...]) -> tuple[str, ...]:
    """Offered images that the built one may stand on: those that the Containerfile names first, the last before all."""
    named = [base.image for base in text_of.bases(found.containerfile)][::-1]
    return tuple(dict.fromkeys([*(name for name in named if name in offered), *offered]))


def bill(registry: Registry, image: bill_store.Image, bench: Bench) -> None:
    """Store the bill of materials. A build is no worse for the lack of one, so a failure is only told."""
    try:
        bench.say(f"-----> Bill of materials: {bill_store.summary(bill_store.write(registry, image))}")
    except RegistryFailed as error:
        bench.say(f"-----> Bill of materials: not stored ({error})")


def enter(root: Path, context: str) -> Path:
    """The folder to build in. StepFailed where there is none; links are not followed."""
    path = root
    for part in filter(None, context.split("/")):
        path = path / part
        if part in (".", "..") or path.is_symlink() or not path.is_dir():
            folders = ", ".join(name for name in Checkout(root).names() if name.endswith("/")) or "none"
            raise StepFailed("ContextMissing", f"There is no folder {context} in this commit. Folders: {folders}.")
    return path


def _run(bench: Bench, command: list[str], environment: Mapping[str, str], cwd: Path) -> subprocess.Popen[str]:
    """A program in a process group of its own, which ends when the bench stops."""
    process = subprocess.Popen(
        command,
        env={
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": str(bench.work),
            "LC_ALL": "C.UTF-8",
            **environment,
        },
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )

    def watch() -> None:
        bench.stop.wait()
        try:
            os.killpg(process.pid, signal.SIGTERM)
        except ProcessLookupError:
            return

    threading.Thread(target=watch, daemon=True).start()
    return process


def _check_time(bench: Bench) -> None:
    if bench.stop.is_set():
        raise Halted


def _halted(bench: Bench, task: Task) -> StepFailed:
    if bench.why == "Cancelled":
        return StepFailed("Cancelled", "The run was cancelled.")
    return StepFailed(
        "TimedOut", f"The build took longer than {task.timeout_s} s, which is the project's limit (timeoutS)."
    )


def _git(bench: Bench, command: list[str], environment: Mapping[str, str], cwd: Path) -> None:
    """A git command; while the git server starts anew it is tried again. BuilderLost where it fails."""
    for attempt in range(TRIES):
        with _run(bench, command, environment, cwd) as process:
            error = process.stderr.read()[-1000:] if process.stderr else ""
        _check_time(bench)
        if not process.returncode:
            return
        if "unable to access" not in error or "error: 4" in error:
            break
        if not attempt:
            bench.say(f"{INDENT}Waiting for the git server")
        bench.pause(PAUSE_S)
    raise BuilderLost(f"git {command[1]} failed: {error.strip()}")


def fetch(task: Task, bench: Bench) -> Path:
    """The commit's files in a new folder. No hook, filter or configuration of the repository is run."""
    root = bench.work / "source"
    if root.exists():
        shutil.rmtree(root)
    root.mkdir(parents=True)
    config = {
        "http.extraHeader": f"Authorization: Bearer {bench.secret(FETCH_TOKEN)}",
        "core.hooksPath": os.devnull,
        "core.fsmonitor": "false",
        "protocol.allow": "never",
        "protocol.http.allow": "always",
        "protocol.https.allow": "always",
        "submodule.recurse": "false",
        "advice.detachedHead": "false",
    }
    environment = {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_COUNT": str(len(config)),
        "GIT_SSL_CAINFO": str(bench.trust / "ca.crt"),
    }
    for at, (key, value) in enumerate(config.items()):
        environment |= {f"GIT_CONFIG_KEY_{at}": key, f"GIT_CONFIG_VALUE_{at}": value}
    url = f"{task.git_url}/{task.tenant}/{task.project}.git"
    bench.say(f"-----> Fetching {task.commit[:12]}")
    for command in (
        ["git", "init", "--quiet", "--template=", "."],
        ["git", "fetch", "--quiet", "--depth=1", "--no-tags", "--end-of-options", url, task.commit],
        ["git", "checkout", "--quiet", "--force", "--detach", task.commit],
    ):
        _git(bench, command, environment, root)
    shutil.rmtree(root / ".git")
    return root


def build(task: Task, bench: Bench, context: Path, found: Detected, offered: tuple[str, ...]) -> str:
    """The digest of the image, built and pushed. StepFailed, Unbuildable, BuilderLost."""
    contexts = text_of.check_bases(found.containerfile, task.registry, task.tenant, offered)
    command = _command(task, bench, context, found, contexts)
    deaths = 0
    for attempt in range(TRIES):
        narrator = Narrator(command.hidden)
        metadata = bench.work / "metadata.json"
        metadata.unlink(missing_ok=True)
        environment = {"DOCKER_CONFIG": str(bench.credentials), "BUILDKIT_HOST": task.builder}
        with _run(bench, [*command.argv, f"--metadata-file={metadata}"], environment, bench.work) as process:
            for line in process.stderr or ():
                for told in narrator.feed(line):
                    bench.say(told)
        if process.returncode == 0:
            return str(json.loads(metadata.read_text())["containerimage.digest"])
        _check_time(bench)
        if not narrator.lost:
            raise StepFailed("BuildFailed", narrator.failure(own=bool(found.path)))
        deaths += narrator.died
        if deaths >= DEATHS:
            raise StepFailed("BuilderDied", _DIED)
        if not attempt:
            bench.say(f"{INDENT}Waiting for the {'registry' if narrator.registry_away else 'builder'}")
        bench.pause(PAUSE_S)
    raise BuilderLost(narrator.failure(own=bool(found.path)))


@dataclass(frozen=True)
class Command:
    """buildctl's argv, and what of it is not shown to people."""

    argv: list[str]
    hidden: str


def _command(task: Task, bench: Bench, context: Path, found: Detected, contexts: Mapping[str, str]) -> Command:
    bundle = bench.trust / "bundle.crt"
    secrets = {name: str(bench.credentials.parent / "secrets" / name) for name in task.build.secrets}
    site = sites.site(str(bundle) if bundle.exists() else "", task.mirrors, task.proxy, secrets)
    recipe = bench.work / "recipe"
    recipe.mkdir(exist_ok=True)
    (recipe / "Containerfile").write_text(text_of.with_site(found.containerfile, site.flags))
    argv = [
        "buildctl",
        "build",
        "--progress=rawjson",
        "--frontend=dockerfile.v0",
        f"--local=context={context}",
        f"--local=dockerfile={recipe}",
        "--opt=filename=Containerfile",
        f"--output=type=image,name={task.repository}:{task.tag},push=true,oci-mediatypes=true",
    ]
    argv += [f"--opt=context:{name}=docker-image://{image}" for name, image in contexts.items()]
    for name, text in site.texts.items():
        path = bench.work / "secrets" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        argv.append(f"--secret=id={name},src={path}")
    argv += [f"--secret=id={name},src={path}" for name, path in site.files.items()]
    return Command(argv, f"{site.flags} " if site.flags else "")
