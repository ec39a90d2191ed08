"""The scans of a run, one after the other or beside each other: what is asked, what is said, kept and judged.

What the project's scan policy wants is looked for; what the repository says about scanning is only told. Secrets are
looked for in this pod, the rest by the scanner beside it, at the same time.

    StepFailed    without its scan nothing is built, and nothing goes on that findings stop
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from roost.adapters.registry import Registry, RegistryFailed
from roost.builds import bill, scan, scan_findings, scan_view
from roost.builds.bench import Bench, StepFailed
from roost.builds.narrate import INDENT
from roost.builds.scanner import DEPENDENCIES, IMAGE, SOURCE, Answer, ScanFailed, Scanner
from roost.model import findings
from roost.model.build_task import ASKED, TOLD, Task
from roost.model.conditions import timestamp
from roost.model.findings import Finding, Findings

SHOWN: Final = 5
NOTHING: Final = Answer([], ())


@dataclass(frozen=True)
class Scanned:
    """What the scans of a run found so far. base: the findings of the last successful run; None: there was none."""

    found: Findings = field(default_factory=Findings)
    base: Findings | None = None


def beside(task: Task, bench: Bench) -> Scanner | None:
    """The scanner in this pod; None where there is none."""
    return Scanner(Path(ASKED), Path(TOLD), bench.pause) if task.scanner else None


def look(task: Task, bench: Bench, root: Path, registry: Registry, asking: Scanner | None) -> Scanned:
    """What the scans of the commit find, kept in the registry. `asking`: as `beside` says."""
    policy = task.scan
    parts: list[Findings] = []
    try:
        source = asking.ask_source(root) if asking and policy.source else None
        locks = asking.ask_dependencies(root) if asking and policy.dependencies and task.advisories else None
        if policy.secrets:
            parts.append(scan.secrets(root, bench.work, task.waived))
            _say(bench, "secrets", parts[-1])
        if asking and source:
            answer = asking.answer(SOURCE) if source.files else NOTHING
            found = scan_findings.of_source(answer.results, task.waived)
            unread = scan_findings.not_scanned("source", source, answer.unread, task.waived)
            parts.append(findings.ordered([*found, *unread]))
            _say(bench, f"injection in {source.files} files", parts[-1])
        if asking and locks:
            answer = asking.answer(DEPENDENCIES) if locks.files else NOTHING
            found = scan_findings.of_packages(answer.results, "dependency", _view(asking, DEPENDENCIES), task.waived)
            unread = scan_findings.not_scanned("dependency", locks, answer.unread, task.waived)
            parts.append(findings.ordered([*found, *unread], database=task.advisories))
            _say(bench, f"known vulnerabilities in {locks.files} lock files", parts[-1])
    except ScanFailed as error:
        raise StepFailed("ScanFailed", str(error)) from error
    if policy.dependencies and not task.advisories:
        bench.say("-----> Dependencies are not scanned: this platform has no vulnerability database")
    ignored = scan_view.settings(root)
    if ignored and (policy.secrets or source):
        bench.say(f"{INDENT}What {', '.join(ignored)} says does not count: the project's scan policy does")
    scanned = Scanned(base=_base(task, registry))
    return keep(task, registry, scanned, findings.merged(parts))


@dataclass(frozen=True)
class Built:
    """An image of this run, and where its findings are told and kept."""

    task: Task
    bench: Bench
    registry: Registry
    digest: str


def look_at_image(built: Built, before: Scanned, asking: Scanner | None) -> Scanned:
    """The same with the known vulnerabilities of the image's packages, by its bill of materials."""
    task, bench, registry, digest = built.task, built.bench, built.registry, built.digest
    if asking is None or not (task.scan.image and task.advisories):
        return keep(task, registry, before, before.found, digest)
    own = f"{task.tenant}/{task.project}"
    text = registry.artefact(own, bill.KIND, subject=digest)
    if text is None:
        raise StepFailed("ScanFailed", "The image has no bill of materials, so its packages cannot be looked at.")
    try:
        asking.ask_image(bill.for_matching(text))
        answer = asking.answer(IMAGE)
        found = scan_findings.of_packages(answer.results, "image", _view(asking, IMAGE), task.waived)
    except ScanFailed as error:
        raise StepFailed("ScanFailed", str(error)) from error
    image = findings.since(findings.ordered(found, database=task.advisories), before.base, timestamp(datetime.now(UTC)))
    _say(bench, "known vulnerabilities in the image", image)
    content = image.model_dump_json(by_alias=True).encode()
    registry.put_artefact(own, findings.IMAGE_KIND, content, subject=digest)
    return keep(task, registry, before, findings.merged([before.found, image]), digest)


def keep(task: Task, registry: Registry, scanned: Scanned, found: Findings, digest: str = "") -> Scanned:
    """Store the findings of a run by its tag, and as what is about the image where there is one."""
    told = findings.since(found, scanned.base, timestamp(datetime.now(UTC)))
    if told.items or digest:
        content = told.model_dump_json(by_alias=True).encode()
        tag = findings.tag(task.attempt, task.commit)
        registry.put_artefact(f"{task.tenant}/{task.project}", findings.KIND, content, tag=tag, subject=digest)
    return replace(scanned, found=told)


def judge(task: Task, scanned: Scanned) -> None:
    """StepFailed where something of it stops the run."""
    policy = task.scan
    image = [item for item in scanned.found.items if item.kind == "image"]
    code = [item for item in scanned.found.items if item.kind != "image"]
    stopping = [
        *findings.blocking(Findings(items=tuple(code)), policy.block, policy.only_new),
        *findings.blocking(Findings(items=tuple(image)), policy.block_image, policy.only_new),
    ]
    if stopping:
        raise StepFailed("FindingsBlock", verdict(stopping, task.project))


def verdict(stopping: Sequence[Finding], project: str) -> str:
    """What a person reads whose run is stopped: which findings, where, and how to fix or waive them."""
    lines = [f"{len(stopping)} findings stop this run." if len(stopping) > 1 else "1 finding stops this run."]
    for item in stopping[:SHOWN]:
        lines.append(f"{_short(item.place, 70)}  {_short(item.rule, 40)}  ({item.severity}, {item.fingerprint})")
    if len(stopping) > SHOWN:
        lines.append(f"... and {len(stopping) - SHOWN} more: `roost findings -p {project}`.")
    for fix in list(dict.fromkeys(item.fix for item in stopping[:SHOWN]))[:2]:
        lines.append(fix if len(fix) <= 220 else f"{fix[:217]}...")
    lines.append(f"An owner lets one stay: `roost waive {stopping[0].fingerprint} -p {project} --reason ...`.")
    return "\n".join(lines)


def _view(asking: Scanner, name: str) -> Path:
    return asking.asked / name / "view"


def _short(text: str, most: int) -> str:
    """The end of a text, which says more of a place than its beginning, where it is longer than `most`."""
    return text if len(text) <= most else f"...{text[3 - most :]}"


def _base(task: Task, registry: Registry) -> Findings | None:
    """The findings of the last successful run; None where there was none, or where they are not kept any more."""
    if not task.base_findings:
        return None
    try:
        text = registry.artefact(f"{task.tenant}/{task.project}", findings.KIND, tag=task.base_findings)
        return Findings.model_validate_json(text) if text else None
    except (RegistryFailed, ValueError):
        return None


def _say(bench: Bench, what: str, found: Findings) -> None:
    bench.say(f"-----> Scanned for {what}: {len(found.items) + found.more or 'no'} findings")
    for item in found.items[:SHOWN]:
        bench.say(f"{INDENT}{item.place}  {item.rule}  {item.severity}{', waived' if item.waived else ''}")
