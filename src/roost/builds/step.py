"""The stages of a run in its pod, STAGES: fetch, scan, a person's steps, build, push, report. `roost.mains.step` calls
`carry_out`.

The pod has no Kubernetes token and nobody else's secrets. Every program is started by argv without a shell and with an
environment of its own; what the repository brings is only read, or handed to the builder.
"""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from roost.adapters.registry import Registry, RegistryFailed
from roost.builds import bill_store, conduct, ready, scan_stage
from roost.builds import containerfile as text_of
from roost.builds import registry as registries
from roost.builds import site as sites
from roost.builds.bench import Bench, BuilderLost, Halted, StepFailed
from roost.builds.beside import beside
from roost.builds.detect import Detected, detect
from roost.builds.errors import Unbuildable
from roost.builds.files import Checkout
from roost.builds.narrate import INDENT, Narrator
from roost.builds.registry import config as config_of
from roost.builds.registry import offered as offered_in
from roost.builds.tree import clear
from roost.builds.work import Stage, Work
from roost.model.bases import BASES
from roost.model.build_report import BuildReport
from roost.model.build_task import FETCH_TOKEN, Task
from roost.model.builder_limits import CACHE_GI, MEMORY_GI
from roost.model.kinds.app import Process

TRIES = 120  # A builder or a git server that died is there again within seconds.
PAUSE_S = 0.5
DEATHS = 3  # So often a builder that dies in the middle of one build is an accident.
_DIED = (
    f"The builder died {DEATHS} times in the middle of this build: it takes more memory ({MEMORY_GI} GiB) or disk "
    f"({CACHE_GI} GiB) than a build may have."
)


def carry_out(task: Task, bench: Bench, tell: Callable[[BuildReport], object] = lambda report: None) -> BuildReport:
    """The whole run; a report in every case but BuilderLost. The log is kept in every case, after `tell` was called."""
    work = Work(task, bench)
    try:
        report = _carry_out(work)
        if not report.ok:
            bench.say(f"-----> {conduct.brief(report.message) if report.reason == 'StepFailed' else report.message}")
        tell(report)
        return report
    except RegistryFailed as error:
        raise BuilderLost(str(error)) from error
    finally:
        work.keep_log()


def _carry_out(work: Work) -> BuildReport:
    try:
        for stage in STAGES:
            stage.carry_out(work)
        return _report(work)
    except Halted:
        return _report(work, _halted(work.bench, work.task))
    except (StepFailed, Unbuildable) as error:
        return _report(work, error)
    finally:
        work.bench.speaker("")


def _report(work: Work, error: StepFailed | Unbuildable | None = None) -> BuildReport:
    report = BuildReport(
        ok=False,
        detected="\n".join(work.found.lines)[:1500] if work.found else "",
        findings=work.findings,
        steps=tuple(work.steps),
        tests=work.tests,
    )
    if error is not None:
        return report.model_copy(update={"reason": error.reason, "message": str(error)[:1500]})
    built = {
        "ok": True,
        "image": work.task.repository,
        "digest": work.digest,
        "runs_as_root": registries.runs_as_root(work.config),
        "processes": work.processes,
        "release_command": work.found.release_command if work.found else (),
    }
    return report.model_copy(update=built)


def _fetch_stage(work: Work) -> None:
    for remark in work.task.remarks:
        work.bench.say(f"-----> {remark}")
    if work.task.problem:
        raise StepFailed("DefinitionWrong", work.task.problem)
    if work.task.build.strategy != ready.STRATEGY:
        work.offering = beside(lambda: offered_in(work.open_store(), BASES))
    work.root = fetch(work.task, work.bench)
    work.context = enter(work.root, work.task.build.context)


def _scan_stage(work: Work) -> None:
    scanned = scan_stage.look(work.task, work.bench, work.root, work.store, scan_stage.beside(work.task, work.bench))
    _scanned(work, scanned)


def _scan_image_stage(work: Work) -> None:
    if work.found is None:
        return  # A ready image: nothing of it was made here.
    built = scan_stage.Built(work.task, work.bench, work.store, work.digest)
    _scanned(work, scan_stage.look_at_image(built, work.scanned, scan_stage.beside(work.task, work.bench)))


def _scanned(work: Work, scanned: scan_stage.Scanned) -> None:
    work.scanned = scanned
    work.findings = len(scanned.found.items) + scanned.found.more
    scan_stage.judge(work.task, scanned)


def _build_stage(work: Work) -> None:
    task, bench = work.task, work.bench
    work.context = enter(work.root, task.build.context)  # Steps may have made something else of it.
    if task.build.strategy == ready.STRATEGY:
        ready.take(work)
        work.processes = settle_processes((), work.config, task.build.port)
        return
    work.offered = work.offering.result() if work.offering else offered_in(work.store, BASES)
    work.found = found = detect(Checkout(work.context), task.build, work.offered)
    for line in found.lines:
        bench.say(f"-----> {line}")
    names = likely(found, work.offered)
    work.billing = beside(lambda: bill_store.look(work.open_store(), work.own, names))
    work.digest = build(task, bench, work.context, found, work.offered)
    work.manifest = work.store.manifest(work.own, work.digest) or {}
    work.config = config_of(work.store, work.own, work.manifest)
    work.processes = found.said.applied(settle_processes(found.processes, work.config, task.build.port))


def _bill_stage(work: Work) -> None:
    if work.found is not None:
        image = bill_store.Image(work.own, work.digest, work.manifest, likely(work.found, work.offered))
        bill(work.store, image, work.bench, work.billing)
    work.bench.say(f"-----> Built {work.own}@{work.digest[:19]}")


# A run in its order. What comes new is one more entry here; a person's own steps are those of the pipeline.
STAGES: Final = (
    Stage("fetch", _fetch_stage),
    Stage("scan", _scan_stage),
    Stage("steps", conduct.steps, told=False),
    Stage("build", _build_stage),
    Stage("bill", _bill_stage),
    Stage("scan-image", _scan_image_stage),
    Stage("results", conduct.results, told=False),
)


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


def bill(
    registry: Registry, image: bill_store.Image, bench: Bench, known: Future[bill_store.Known] | None = None
) -> None:
    """Store the bill of materials. A build is no worse for the lack of one, so a failure is only told."""
    try:
        parts = bill_store.write(registry, image, known.result() if known else None)
        bench.say(f"-----> Bill of materials: {bill_store.summary(parts)}")
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


def _halted(bench: Bench, task: Task) -> StepFailed:
    if bench.why == "Cancelled":
        return StepFailed("Cancelled", "The run was cancelled.")
    return StepFailed(
        "TimedOut", f"The run took longer than {task.timeout_s} s, which is the project's limit (timeoutS)."
    )


def _git(bench: Bench, command: list[str], environment: Mapping[str, str], cwd: Path) -> None:
    """A git command; while the git server starts anew it is tried again. BuilderLost where it fails."""
    for attempt in range(TRIES):
        with bench.run(command, environment, cwd) as process:
            error = process.stderr.read()[-1000:] if process.stderr else ""
        bench.check_time()
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
    root = bench.source
    root.mkdir(parents=True, exist_ok=True)
    clear(root)
    config = {
        "http.extraHeader": f"Authorization: Bearer {bench.secret(FETCH_TOKEN)}",
        "safe.directory": str(root),  # Where it is a mount it belongs to root.
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
    contexts = text_of.check_bases(found.containerfile, task.registry, task.tenant, offered, task.parameters)
    command = _command(task, bench, context, found, contexts)
    files = [_secret(bench, name) for name in task.build.secrets]
    given = [file.read_text(errors="replace") for file in files if file.exists()]
    deaths = 0
    for attempt in range(TRIES):
        narrator = Narrator(command.hidden, given)
        metadata = bench.work / "metadata.json"
        metadata.unlink(missing_ok=True)
        environment = {"DOCKER_CONFIG": str(bench.credentials), "BUILDKIT_HOST": task.builder}
        with bench.run([*command.argv, f"--metadata-file={metadata}"], environment, bench.work) as process:
            for line in process.stderr or ():
                for told in narrator.feed(line):
                    bench.say(told)
        if process.returncode == 0:
            return str(json.loads(metadata.read_text())["containerimage.digest"])
        bench.check_time()
        if not narrator.lost:
            raise StepFailed("BuildFailed", narrator.failure(own=bool(found.path)))
        deaths += narrator.died
        if deaths >= DEATHS:
            raise StepFailed("BuilderDied", _DIED)
        if not attempt:
            bench.say(f"{INDENT}Waiting for the {'registry' if narrator.registry_away else 'builder'}")
        bench.pause(PAUSE_S)
    raise BuilderLost(narrator.failure(own=bool(found.path)))


def _secret(bench: Bench, name: str) -> Path:
    """The file of one of the project's build secrets."""
    return bench.credentials.parent / "secrets" / name


@dataclass(frozen=True)
class Command:
    """buildctl's argv, and what of it is not shown to people."""

    argv: list[str]
    hidden: str


def _command(task: Task, bench: Bench, context: Path, found: Detected, contexts: Mapping[str, str]) -> Command:
    bundle = bench.trust / "bundle.crt"
    secrets = {name: str(_secret(bench, name)) for name in task.build.secrets}
    site = sites.site(str(bundle) if bundle.exists() else "", task.mirrors, task.proxy, secrets)
    recipe = bench.work / "recipe"
    recipe.mkdir(exist_ok=True)
    text = found.containerfile if found.path else text_of.with_arguments(found.containerfile, task.parameters)
    (recipe / "Containerfile").write_text(text_of.with_site(text, site.flags))
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
    argv += [f"--opt=build-arg:{name}={value}" for name, value in task.parameters.items()]
    if task.rights == "reduced":
        # Whoever may only propose fills caches that no build of the branch reads.
        # https://docs.docker.com/reference/dockerfile/#buildkit-built-in-build-args
        argv.append(f"--opt=build-arg:BUILDKIT_CACHE_MOUNT_NS={task.project}-reduced")
        # What a RUN makes is remembered without regard to the cache that it read. Another name of the machine makes it
        # another step, so that nothing that is only proposed is ever taken for a step of the branch.
        argv.append("--opt=hostname=reduced")
    for name, text in site.texts.items():
        path = bench.work / "secrets" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        argv.append(f"--secret=id={name},src={path}")
    argv += [f"--secret=id={name},src={path}" for name, path in site.files.items()]
    return Command(argv, f"{site.flags} " if site.flags else "")
