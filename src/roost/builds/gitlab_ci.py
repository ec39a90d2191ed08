"""A `.gitlab-ci.yml` with plain `script` jobs, read as a pipeline; what is not supported is told with its line.

Where leaving something out would change what a job means (when it runs, what it needs, whom it changes), the whole job
is left out. Nothing in such a file makes a run fail: the repository may live elsewhere as well.
Source: GitLab documentation, "CI/CD YAML syntax reference", https://docs.gitlab.com/ci/yaml/
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import ValidationError

from roost.builds.yaml_text import Document, Place, YamlWrong, load
from roost.model.bases import OFFERED
from roost.model.pipeline import DEFAULT_IMAGE, MOST_STEPS, OWN, Pipeline, Step, Variable
from roost.model.step_task import WORKSPACE

NAME: Final = ".gitlab-ci.yml"
LARGEST: Final = 64 * 1024
MOST_REMARKS: Final = 30
MOST_ALIKE: Final = 100  # Jobs whose names differ in special characters alone.
_STAGES: Final = ("build", "test", "deploy")
_GLOBAL: Final = frozenset(["default", "stages", "variables", "image", "before_script", "cache"])
_NO_JOBS: Final = frozenset(["include", "workflow", "services", "after_script", "spec", "pages", "types"])
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
    ]
)
# Without these a job means the same here: all jobs share one workspace and run in the order of their stages.
_NEEDLESS: Final = frozenset(["needs", "dependencies", "interruptible", "resource_group", "when"])
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
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class JobLeftOut(ValueError):
    """Why a job is not taken over, and where in it."""

    def __init__(self, why: str, *place: str) -> None:
        super().__init__(why)
        self.place = place


@dataclass
class Reading:
    """What was read: the pipeline, and what of the file is not supported."""

    pipeline: Pipeline = field(default_factory=Pipeline)
    remarks: list[str] = field(default_factory=list)


def read(text: bytes, tenant: str, commit: str, ref: str) -> Reading:
    """The file of a commit; whatever it holds, it is an answer."""
    reading = Reading()
    try:
        document = load(text, LARGEST)
    except YamlWrong as error:
        reading.remarks.append(f"{NAME}:{error.line}: {error}. The file is not taken; the run has no steps.")
        return reading
    if not isinstance(document.value, Mapping):
        reading.remarks.append(f"{NAME}:1: it holds no jobs.")
        return reading
    reader = _Reader(document, tenant, reading.remarks)
    steps = reader.steps()
    reading.remarks[MOST_REMARKS:] = []
    if steps:
        reading.pipeline = Pipeline(env=_given(commit, ref), steps=tuple(steps))
    return reading


def _given(commit: str, ref: str) -> tuple[Variable, ...]:
    """The most used of GitLab's own variables."""
    short = ref.removeprefix("refs/heads/").removeprefix("refs/tags/")
    told = {"CI_COMMIT_SHA": commit, "CI_COMMIT_SHORT_SHA": commit[:8], "CI_COMMIT_REF_NAME": short}
    told["CI_COMMIT_TAG" if ref.startswith("refs/tags/") else "CI_COMMIT_BRANCH"] = short
    told["CI_PROJECT_DIR"] = WORKSPACE
    return tuple(Variable(name=name, value=value) for name, value in told.items())


class _Reader:
    """One file."""

    def __init__(self, document: Document, tenant: str, remarks: list[str]) -> None:
        self._document = document
        self._file: Mapping[str, Any] = document.value
        self._tenant = tenant
        self._remarks = remarks
        default = self._file.get("default")
        self._default: Mapping[str, Any] = default if isinstance(default, Mapping) else {}

    def _tell(self, place: Place, words: str) -> None:
        self._remarks.append(f"{NAME}:{self._document.line(place)}: {words}"[:300])

    def steps(self) -> list[Step]:
        """The jobs that can be taken over, in the order of their stages."""
        stages = self._file.get("stages")
        order = [".pre", *(stages if isinstance(stages, list) else _STAGES), ".post"]
        found: list[tuple[int, Step]] = []
        taken: set[str] = set(OWN)
        for name, job in self._file.items():
            if name in _NO_JOBS or (name not in _GLOBAL and not isinstance(job, Mapping)):
                self._tell((name,), f"`{name}` is not supported and left out.")
            if name in _GLOBAL or name in _NO_JOBS or name.startswith(".") or not isinstance(job, Mapping):
                continue
            try:
                stage = job.get("stage", "test")
                if stage not in order:
                    raise JobLeftOut(f"there is no stage {stage!r}", "stage")
                step = self._step(_slug(name, taken), name, job)
            except JobLeftOut as error:
                self._tell((name, *error.place), f"the job {name!r} is left out: {error}.")
                continue
            taken.add(step.name)
            found.append((order.index(stage), step))
        ordered = [step for _, step in sorted(found, key=lambda item: item[0])]
        for step in ordered[MOST_STEPS:]:
            self._remarks.append(f"{NAME}: the job {step.name!r} is left out: a run has at most {MOST_STEPS} steps.")
        return ordered[:MOST_STEPS]

    def _of(self, job: Mapping[str, Any], key: str) -> Any:
        """The job's own word, else the default's, else the file's."""
        found = job.get(key, self._default.get(key))
        return self._file.get(key) if found is None and key in _GLOBAL else found

    def _step(self, slug: str, name: str, job: Mapping[str, Any]) -> Step:
        for key in job:
            if key in _TOLD:
                self._tell((name, key), f"`{key}` of the job {name!r} is not supported and has no effect.")
            elif key not in _TAKEN and key not in _NEEDLESS:
                raise JobLeftOut(f"`{key}` is not supported", key)
        if job.get("when", "on_success") != "on_success":
            raise JobLeftOut("it does not run by itself after the jobs before it", "when")
        artifacts = job.get("artifacts", self._default.get("artifacts")) or {}
        reports = artifacts.get("reports") or {} if isinstance(artifacts, Mapping) else {}
        try:
            return Step(
                name=slug,
                image=self._image(name, job),
                commands=tuple(_lines(self._of(job, "before_script")) + _lines(job.get("script"))),
                env=self._variables(name, job),
                timeout_s=_seconds(self._of(job, "timeout")),
                retry=_retry(self._of(job, "retry")),
                artefacts=self._paths(name, artifacts.get("paths") if isinstance(artifacts, Mapping) else ()),
                junit=self._paths(name, reports.get("junit") if isinstance(reports, Mapping) else ()),
                cache=self._cache(name, self._of(job, "cache")),
                allow_failure=job.get("allow_failure") is True,
            )
        except ValidationError as error:
            wrong = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in wrong["loc"])
            raise JobLeftOut(f"{where}: {wrong['msg']}") from error

    def _variables(self, name: str, job: Mapping[str, Any]) -> tuple[Variable, ...]:
        values: dict[str, str] = {}
        for place, given in (
            (("variables",), self._file.get("variables")),
            ((name, "variables"), job.get("variables")),
        ):
            if not isinstance(given, Mapping):
                continue
            for key, content in given.items():
                inner = (*place, key, "value") if isinstance(content, Mapping) else (*place, key)
                values[key] = self._document.texts.get(inner, "")
        return tuple(Variable(name=key, value=value) for key, value in values.items())

    def _paths(self, name: str, given: Any) -> tuple[str, ...]:
        """Paths in the workspace; what leads elsewhere is told."""
        found = []
        for text in given if isinstance(given, list) else [given] if given else ():
            path = str(text).removeprefix("$CI_PROJECT_DIR/").removeprefix("./").strip("/")
            try:
                Step(name="x", commands=("x",), artefacts=(path,))
                found.append(path)
            except ValidationError:
                self._tell((name,), f"the path {str(text)[:80]!r} of the job {name!r} is not supported and left out.")
        return tuple(found)

    def _cache(self, name: str, given: Any) -> tuple[str, ...]:
        caches = given if isinstance(given, list) else [given]
        return tuple(
            path for one in caches if isinstance(one, Mapping) for path in self._paths(name, one.get("paths"))
        )[:10]

    def _image(self, name: str, job: Mapping[str, Any]) -> str:
        given = self._of(job, "image")
        if isinstance(given, Mapping):
            given = given.get("name")
        if given is None:
            return DEFAULT_IMAGE
        image = str(given)
        if image.startswith((f"{self._tenant}/", "base/")):
            return image
        base = _base(image)
        if base is None:
            raise JobLeftOut(f"the image {image[:100]!r} is none that Roost offers ({', '.join(OFFERED)})", "image")
        if base != f"base/{image}":
            self._tell((name,), f"the job {name!r} runs in {base}, which is nearest to {image[:100]!r}.")
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
