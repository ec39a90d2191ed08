"""The definition of a run's steps: whether it can be used, what the conductor is told, what the report says. Pure."""

from typing import Any, Final

from roost.capabilities.run.manifests.steps import allowed_secrets
from roost.capabilities.run.model import Observed
from roost.model.build_report import BuildReport
from roost.model.kinds.delivery import Run
from roost.model.pipeline import BUILD, Pipeline
from roost.model.plan import Verdict

UNENDED: Final = ("TimedOut", "StepStuck", "StepNotStarted")  # Reasons after which a step may still be there.
LARGEST: Final = 64 * 1024  # Characters of a definition; what a container is told has a limit in the kernel.


def is_usable(run: Run, observed: Observed) -> Verdict:
    """It is none that is wrong; its images are there and allowed; its secrets are the project's word."""
    spec = run.spec
    if spec.problem:
        return Verdict(False, "DefinitionWrong", spec.problem)
    if len(spec.pipeline.model_dump_json()) > LARGEST:
        words = f"The pipeline is longer than {LARGEST // 1024} KiB: put the commands into scripts of the repository."
        return Verdict(False, "DefinitionTooLong", words)
    for step in spec.pipeline.steps:
        image = spec.pipeline.image_of(step)
        if observed.images.get(image, "") == "":
            return Verdict(False, "ImageMissing", _no_image(step.name, image, observed.offered))
        for name in allowed_secrets(spec, step):
            if name not in spec.step_secrets:
                words = (
                    f"The step {step.name} names the secret {name}, which the project lets no step have: "
                    f"`roost project secret set {spec.project} {name}`."
                )
                return Verdict(False, "SecretNotAllowed", words)
            if observed.step_secrets.get(name, ""):
                return Verdict(False, "SecretMissing", f"The step {step.name}: {observed.step_secrets[name]}")
    if spec.start_at and spec.start_at != "build" and spec.start_at not in spec.pipeline.names:
        names = ", ".join([*spec.pipeline.names, "build"])
        return Verdict(False, "StepUnknown", f"There is no step {spec.start_at}. There are: {names}.")
    return Verdict(True)


def _no_image(step: str, image: str, offered: tuple[str, ...]) -> str:
    bases = ", ".join(offered) or "none at the moment"
    return (
        f"The step {step} names the image {image}, which is not there. Take one that Roost offers ({bases}), or one of "
        "your own, as <tenant>/<project>:<tag>."
    )


def current(run: Run, observed: Observed) -> str:
    """The step that goes on: the first whose container has not ended, or what comes after all of them."""
    over = observed.pod.over if observed.pod else ()
    return next((name for name in run.spec.pipeline.names if name not in over), BUILD)


def without_commands(pipeline: Pipeline) -> Pipeline:
    """For the conductor, which runs none of them."""
    steps = tuple(step.model_copy(update={"commands": ("-",), "env": ()}) for step in pipeline.steps)
    return pipeline.model_copy(update={"steps": steps, "env": ()})


def told(report: BuildReport) -> dict[str, Any]:
    """The part of the status that speaks of steps and tests."""
    steps = [step.wire() for step in report.steps]
    return {"steps": steps or None, "tests": report.tests.wire() if report.tests else None}
