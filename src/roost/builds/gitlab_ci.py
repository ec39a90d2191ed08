"""A `.gitlab-ci.yml` with plain `script` jobs, read as a pipeline; what is not supported is told with its line.

Where leaving something out would change what a job means (when it runs, what it needs, whom it changes), the whole job
is left out, and with it those that need it. What a job's rules or refs leave out of this run is no news and not told.
Nothing in such a file makes a run fail: the repository may live elsewhere as well.
Source: GitLab documentation, "CI/CD YAML syntax reference", https://docs.gitlab.com/ci/yaml/
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from pydantic import ValidationError

from roost.builds.gitlab_extends import MOST_LINES, JobLeftOut, extended, inlined, is_foreign
from roost.builds.gitlab_rules import Part, RuleUnknown, expanded, judge, settled
from roost.builds.yaml_text import Document, Place, YamlWrong, load
from roost.model.bases import OFFERED
from roost.model.pipeline import DEFAULT_IMAGE, MOST_STEPS, OWN, Pipeline, Step, Variable
from roost.model.step_task import WORKSPACE

NAME: Final = ".gitlab-ci.yml"
LARGEST: Final = 64 * 1024
MOST_REMARKS: Final = 30
MOST_ALIKE: Final = 100  # Jobs whose names differ in special characters alone.
MOST_JOBS: Final = 100  # That are looked at.
MOST_PATHS: Final = 50
MOST_VARIABLES: Final = 48  # Beside the two that say which job it is.
_STAGES: Final = ("build", "test", "deploy")
_GLOBAL: Final = frozenset(["default", "stages", "variables", "image", "before_script", "cache"])
_NO_JOBS: Final = frozenset(["include", "workflow", "services", "after_script", "spec", "pages", "types"])
_DEFAULTS: Final = frozenset(["image", "before_script", "cache", "retry", "timeout", "artifacts"])
_HARMLESS: Final = frozenset(["interruptible", "tags", "hooks", "id_tokens"])  # As defaults: they change no meaning.
_TAKEN: Final = frozenset(
    [
        "script",
        "before_script",
        "stage",
        "image",
        "variables",
        "artifacts",
        "cache",
        "retry",
        "timeout",
        "allow_failure",
        "needs",
        "rules",
        "only",
        "except",
        "extends",
    ]
)
# Without these a job means the same here: all jobs share one workspace and run one after the other.
_NEEDLESS: Final = frozenset(["dependencies", "interruptible", "resource_group", "when", "services"])
_TOLD: Final = frozenset(["after_script", "tags", "coverage", "release", "inherit", "hooks", "identity", "start_in"])
_FAMILIES: Final = {
    "python": "python",
    "node": "node",
    "golang": "go",
    "maven": "java",
    "openjdk": "java",
    "eclipse-temurin": "java",
    "debian": "debian",
    "ubuntu": "debian",
    "alpine": "debian",
    "buildpack-deps": "debian",
    "busybox": "busybox",
    "nginx": "nginx",
}
_ARTIFACTS: Final = frozenset(["paths", "reports", "name", "expire_in", "expose_as", "public", "access"])
_BASH: Final = re.compile(r"(^|[;&|(]\s*)(\[\[\s|set -o pipefail\b|shopt\b|declare\b)")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass
class Reading:
    """What was read: the pipeline, and what of the file is not supported."""

    pipeline: Pipeline = field(default_factory=Pipeline)
    remarks: list[str] = field(default_factory=list)


def read(text: bytes, tenant: str, commit: str, ref: str, branch: str = "main", project: str = "") -> Reading:
    """The file of a commit; whatever it holds, it is an answer. branch: the project's."""
    reading = Reading()
    try:
        document = load(text, LARGEST, loose=True)
    except YamlWrong as error:
        reading.remarks.append(f"{NAME}:{error.line}: {error}. The file is not taken; the run has no steps.")
        return reading
    if not isinstance(document.value, Mapping):
        reading.remarks.append(f"{NAME}:1: it holds no jobs.")
        return reading
    given = _given(commit, ref, branch, f"{tenant}/{project}")
    reader = _Reader(document, tenant, given, reading.remarks)
    steps = reader.steps()
    reading.remarks[MOST_REMARKS:] = []
    if steps:
        env = tuple(Variable(name=name, value=value) for name, value in given.items())
        reading.pipeline = Pipeline(env=env, steps=tuple(steps))
    return reading


def _given(commit: str, ref: str, branch: str, path: str) -> dict[str, str]:
    """The most used of GitLab's own variables.
    Source: GitLab documentation, "Predefined CI/CD variables reference".
    """
    short = ref.removeprefix("refs/heads/").removeprefix("refs/tags/")
    told = {"CI": "true", "CI_COMMIT_SHA": commit, "CI_COMMIT_SHORT_SHA": commit[:8], "CI_COMMIT_REF_NAME": short}
    told["CI_COMMIT_REF_SLUG"] = re.sub(r"[^a-z0-9]", "-", short.lower())[:63].strip("-")
    request = re.match(r"refs/merge-requests/([0-9]{1,9})/", ref)
    if request:
        told |= {"CI_MERGE_REQUEST_IID": request[1], "CI_PIPELINE_SOURCE": "merge_request_event"}
    else:
        told["CI_PIPELINE_SOURCE"] = "push"
        told["CI_COMMIT_TAG" if ref.startswith("refs/tags/") else "CI_COMMIT_BRANCH"] = short
    told |= {"CI_DEFAULT_BRANCH": branch, "CI_PROJECT_PATH": path, "CI_PROJECT_NAME": path.partition("/")[2]}
    return told | {"CI_PROJECT_DIR": WORKSPACE, "CI_BUILDS_DIR": WORKSPACE.rpartition("/")[0]}


@dataclass(frozen=True)
class _Job:
    """A job as its `extends` make it. chain: the names that its keys come from, the job's own first."""

    name: str
    word: Mapping[str, Any]
    chain: tuple[str, ...]
    part: Part = field(default_factory=Part)


class _Reader:
    """One file."""

    def __init__(self, document: Document, tenant: str, given: Mapping[str, str], remarks: list[str]) -> None:
        self._document = document
        self._file: Mapping[str, Any] = document.value
        self._tenant = tenant
        self._given = given
        self._remarks = remarks
        default = self._file.get("default")
        self._default: Mapping[str, Any] = default if isinstance(default, Mapping) else {}
        self._children: dict[Place, list[str | int]] = {}
        for place in document.lines:
            if place:
                self._children.setdefault(place[:-1], []).append(place[-1])

    def _tell(self, place: Place, words: str) -> None:
        self._remarks.append(f"{NAME}:{self._document.line(place)}: {words}"[:300])

    def _place(self, job: _Job, *keys: str) -> Place:
        """Where a key of a job stands: in itself, or in what it extends."""
        found = (place for name in job.chain if (place := (name, *keys[:1])) in self._document.lines)
        return (*next(found, (job.name,)), *keys[1:])

    def steps(self) -> list[Step]:
        """The jobs that can be taken over, each after those that it needs, in the order of their stages."""
        stages = self._file.get("stages")
        order = [".pre", *(stages if isinstance(stages, list) else _STAGES), ".post"]
        found: list[tuple[int, _Job, Step]] = []
        taken: set[str] = set(OWN)
        seen = 0
        self._tell_defaults()
        for name, word in self._file.items():
            if name.startswith(".") or name in _GLOBAL:
                continue
            if name in _NO_JOBS or not isinstance(word, Mapping):
                self._tell((name,), f"`{name}` is not supported and left out.")
                continue
            job = _Job(name, word, (name,))
            seen += 1
            if seen > MOST_JOBS:
                self._tell((name,), f"more than {MOST_JOBS} jobs: the rest is left out.")
                break
            try:
                made, chain = extended(self._file, name, word)
                job = _Job(name, made, chain)
                job = replace(job, part=self._part(job))
                if not job.part.taken:
                    continue
                stage = job.word.get("stage", "test")
                if stage not in order:
                    raise JobLeftOut(f"there is no stage {stage!r}", "stage")
                step = self._step(_slug(name, taken), job)
            except JobLeftOut as error:
                self._tell(self._place(job, *error.place), f"the job {name!r} is left out: {error}.")
                continue
            taken.add(step.name)
            found.append((order.index(stage), job, step))
        ordered = self._needed([(job, step) for _, job, step in sorted(found, key=lambda item: item[0])])
        for step in ordered[MOST_STEPS:]:
            self._remarks.append(f"{NAME}: the job {step.name!r} is left out: a run has at most {MOST_STEPS} steps.")
        return ordered[:MOST_STEPS]

    def _tell_defaults(self) -> None:
        for key in self._default:
            if key not in _DEFAULTS and key not in _HARMLESS and key != "services":
                self._tell(("default", key), f"`default: {key}` is not supported and has no effect.")

    def _part(self, job: _Job) -> Part:
        """Whether it belongs to this run, and how."""
        key = next((key for key in ("rules", "when", "only", "except") if key in job.word), "script")
        try:
            part = judge(job.word, {**self._given, **self._texts_of(job)})
        except RuleUnknown as error:
            raise JobLeftOut(str(error), key) from error
        if part.taken and part.when not in ("on_success", "always"):
            raise JobLeftOut("it does not run by itself after the jobs before it", key)
        if part.when == "always":
            raise JobLeftOut("it runs also when a job before it failed, which no step does", key)
        return part

    def _needed(self, found: list[tuple[_Job, Step]]) -> list[Step]:
        """The steps, each after those that it needs; without those that need what is not there."""
        there = {job.name for job, _ in found}
        while True:
            lacking = [(job, name) for job, _ in found for name in self._needs(job) if name not in there]
            if not lacking:
                break
            for job, name in lacking:
                if job.name in there:
                    words = f"the job {job.name!r} is left out: it needs {name!r}, which is not part of this run."
                    self._tell(self._place(job, "needs"), words)
                    there.discard(job.name)
            found = [(job, step) for job, step in found if job.name in there]
        done: dict[str, Step] = {}
        left = found
        while left:
            ready = next((item for item in left if set(self._needs(item[0])) <= set(done)), None)
            if ready is None:
                for job, _ in left:
                    words = f"the job {job.name!r} is left out: it and what it needs wait for each other."
                    self._tell(self._place(job, "needs"), words)
                break
            done[ready[0].name] = ready[1]
            left = [item for item in left if item is not ready]
        return list(done.values())

    def _needs(self, job: _Job) -> list[str]:
        """Names of the jobs that it cannot do without."""
        given = job.word.get("needs")
        found = []
        for item in given if isinstance(given, list) else []:
            if isinstance(item, Mapping):
                if item.get("optional") is not True and "job" in item:
                    found.append(str(item["job"]))
            else:
                found.append(str(item))
        return found

    def _of(self, job: _Job, key: str) -> Any:
        """The job's own word, else the default's, else the file's."""
        found = job.word.get(key, self._default.get(key))
        return self._file.get(key) if found is None and key in _GLOBAL else found

    def _check(self, job: _Job) -> None:
        """JobLeftOut where it says more than a step can; what has no effect is told."""
        name = job.name
        for key, word in job.word.items():
            if key in _TOLD:
                self._tell(self._place(job, key), f"`{key}` of the job {name!r} is not supported and has no effect.")
            elif key not in _TAKEN and key not in _NEEDLESS:
                raise JobLeftOut(f"`{key}` is not supported", key)
            elif key == "needs" and is_foreign(word):
                raise JobLeftOut("it needs a job of another pipeline", "needs")
        services = job.word.get("services", self._default.get("services", self._file.get("services")))
        if services:
            raise JobLeftOut("`services` is not supported", "services")
        if isinstance(job.word.get("allow_failure"), Mapping):
            words = f"`allow_failure: exit_codes` of the job {name!r} is not supported: its failure ends the run."
            self._tell(self._place(job, "allow_failure"), words)

    def _step(self, slug: str, job: _Job) -> Step:
        self._check(job)
        artifacts = job.word.get("artifacts", self._default.get("artifacts")) or {}
        artifacts = artifacts if isinstance(artifacts, Mapping) else {}
        reports = artifacts.get("reports") or {}
        reports = reports if isinstance(reports, Mapping) else {}
        told = [f"artifacts: {key}" for key in artifacts if key not in _ARTIFACTS and key != "when"]
        for what in [*told, *(f"artifacts: reports: {key}" for key in reports if key != "junit")]:
            words = f"`{what}` of the job {job.name!r} is not supported and has no effect."
            self._tell(self._place(job, "artifacts"), words)
        allow = job.part.allow_failure
        try:
            return Step(
                name=slug,
                image=self._image(job),
                commands=tuple(self._commands(job)),
                env=tuple(Variable(name=name, value=value) for name, value in self._variables(job).items()),
                timeout_s=_seconds(self._of(job, "timeout")),
                retry=_retry(self._of(job, "retry")),
                artefacts=self._paths(job, artifacts.get("paths")),
                junit=self._paths(job, reports.get("junit")),
                cache=self._cache(job, self._of(job, "cache")),
                allow_failure=allow if allow is not None else job.word.get("allow_failure") is True,
            )
        except ValidationError as error:
            wrong = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in wrong["loc"])
            raise JobLeftOut(f"{where}: {wrong['msg']}") from error

    def _commands(self, job: _Job) -> list[str]:
        """Lines for sh, which knows no `source`; what else is bash's is told."""
        before = inlined(self._file, self._of(job, "before_script"), "before_script")
        lines = _lines(before) + _lines(job.word.get("script"))
        if len(lines) > MOST_LINES:
            raise JobLeftOut(f"its script has more than {MOST_LINES} lines: put them into a file", "script")
        if any(_BASH.search(line) for line in lines):
            self._tell(self._place(job, "script"), f"the job {job.name!r} is written for bash; steps run in sh.")
        return [re.sub(r"(^|[;&]\s*)source\s+", r"\1. ", line) for line in lines]

    def _texts_of(self, job: _Job) -> dict[str, str]:
        """The variables of the file and of the job, as they are written."""
        values: dict[str, str] = {}
        places: list[Place] = [("variables",), *((name, "variables") for name in reversed(job.chain))]
        if job.part.variables:
            of_rules = next((name for name in job.chain if (name, "rules") in self._document.lines), job.name)
            places.append((of_rules, "rules", job.part.place, "variables"))
            if places[-1] not in self._children:
                raise JobLeftOut("`variables` in a rule that stands elsewhere is not supported", "rules")
        for place in places:
            for key, inner in self._named(place):
                values[key] = self._document.texts.get(inner, "")
        return values

    def _named(self, place: Place) -> Iterator[tuple[str, Place]]:
        """The names of a mapping of variables, and where the value of each stands."""
        for name in self._children.get(place, ()):
            if isinstance(name, str):
                inner = (*place, name, "value")
                yield name, inner if inner in self._document.lines else (*place, name)

    def _variables(self, job: _Job) -> dict[str, str]:
        own = {"CI_JOB_NAME": job.name[:255], "CI_JOB_STAGE": str(job.word.get("stage", "test"))[:255]}
        texts = self._texts_of(job)
        if len(texts) > MOST_VARIABLES:
            raise JobLeftOut(f"it has more than {MOST_VARIABLES} variables", "variables")
        return settled(texts, {**self._given, **own}) | own

    def _paths(self, job: _Job, given: Any) -> tuple[str, ...]:
        """Paths in the workspace; what leads elsewhere is told."""
        found = []
        known = {**self._given, **self._variables(job)}
        for text in (given if isinstance(given, list) else [given] if given else [])[:MOST_PATHS]:
            path = expanded(str(text), known).removeprefix(f"{WORKSPACE}/").removeprefix("./").strip("/")
            try:
                Step(name="x", commands=("x",), artefacts=(path,))
                found.append(path)
            except ValidationError:
                words = f"the path {str(text)[:80]!r} of the job {job.name!r} is not supported and left out."
                self._tell((job.name,), words)
        return tuple(found)

    def _cache(self, job: _Job, given: Any) -> tuple[str, ...]:
        caches = given if isinstance(given, list) else [given]
        found = [one for one in caches if isinstance(one, Mapping)][:MOST_PATHS]
        return tuple(path for one in found for path in self._paths(job, one.get("paths")))[:10]

    def _image(self, job: _Job) -> str:
        given = self._of(job, "image")
        if isinstance(given, Mapping):
            given = given.get("name")
        if given is None:
            return DEFAULT_IMAGE
        image = expanded(str(given), {**self._given, **self._variables(job)})
        if image.startswith((f"{self._tenant}/", "base/")):
            return image
        base = _base(image)
        if base is None:
            raise JobLeftOut(f"the image {image[:100]!r} is none that Roost offers ({', '.join(OFFERED)})", "image")
        if base != f"base/{image}":
            self._tell((job.name,), f"the job {job.name!r} runs in {base}, which is nearest to {image[:100]!r}.")
        return base


def _base(image: str) -> str | None:
    """The offered base that is nearest to an image of Docker Hub."""
    name, _, tag = image.partition("@")[0].removeprefix("docker.io/").removeprefix("library/").partition(":")
    family = _FAMILIES.get(name)
    offered = [base for base in OFFERED if family and base.startswith(f"base/{family}:")]
    if not offered:
        return None
    wanted = _numbers(tag)

    def distance(base: str) -> tuple[bool, list[int]]:
        has = _numbers(base.partition(":")[2])
        return has[: len(wanted)] != wanted[: len(has)], [-number for number in has]

    return min(offered, key=distance)


def _numbers(text: str) -> list[int]:
    found = re.match(r"^[0-9]{1,4}(\.[0-9]{1,4})*", text)
    return [int(part) for part in found[0].split(".")][:2] if found else []


def _slug(name: str, taken: Iterable[str]) -> str:
    """A step's name that is like the job's and not taken."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    plain = plain if plain[:1].isalpha() else f"job-{plain}".strip("-")
    names = [plain[:30].rstrip("-"), f"{plain[:26].rstrip('-')}-job"]
    names += [f"{plain[:26].rstrip('-')}-{number}" for number in range(2, MOST_ALIKE)]
    name = next((each for each in names if each not in taken), "")
    if not name:
        raise JobLeftOut(f"{MOST_ALIKE} jobs before it have names that are the same without special characters")
    return name


def _lines(given: Any) -> list[str]:
    """A script: a text, a list, or lists in it."""
    if given is None:
        return []
    if isinstance(given, list):
        return [line for item in given for line in _lines(item)]
    return [str(given)]


def _retry(given: Any) -> int:
    times = given.get("max") if isinstance(given, Mapping) else given
    return min(times, 3) if isinstance(times, int) and times > 0 else 0


def _seconds(given: Any) -> int:
    """`3 hours 30 minutes`, `90m`, `1h 30m`; an hour where nothing is said, as GitLab has it."""
    found = re.findall(r"([0-9]{1,6})\s*([a-z]?)", str(given or "").lower())
    total = sum(int(number) * _UNITS.get(unit, 1) for number, unit in found)
    return max(1, min(total or 3600, 7200))
