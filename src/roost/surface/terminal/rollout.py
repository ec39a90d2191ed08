"""Following a change of an application until it serves: used by deploy, scale, config, rollback and promote.

The state is read from the App and its current Release; the reasons of instances that do not start come from the
list of instances.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from roost.surface.terminal import output as out
from roost.surface.terminal.difference import difference, tell
from roost.surface.terminal.failure import NOT_FOUND, REFUSED, Failure
from roost.surface.terminal.follow import Progress, State, Step, follow
from roost.surface.terminal.session import Session
from roost.surface.terminal.words import tr

# Reasons of images that signatures keep out; that a registry does not answer passes.
NOT_LET_IN: Final = ("Unsigned", "WrongSignature", "ImageMissing", "ForeignImage", "ReducedRights")
LOOKS: Final = 4  # As many times, a second apart, a version must be seen as failed.


def version(release: str | None) -> str:
    """`v7` of `shop-v7`; empty where there is none."""
    return f"v{release.rpartition('-v')[2]}" if release else ""


def trouble(instances: list[Any]) -> str:
    """Why instances do not serve, in one line; empty where they do."""
    for item in instances:
        if not item.get("ready") and item.get("reason"):
            message = str(item.get("message") or "").split("\n")[0]
            return f"{item.get('process')}: {item['reason']}" + (f" ({message})" if message else "")
    return ""


def steps(app: Mapping[str, Any], release: Mapping[str, Any], instances: list[Any], generation: int) -> Progress:
    """How far the change is that made the App's `generation`."""
    seen = int(out.at(app, "status.observedGeneration", 0)) >= generation
    current = str(out.at(app, "status.release", ""))
    ready = out.condition(app)
    stopped = bool(out.at(app, "spec.stopped", False)) or not out.at(app, "spec.artefact")
    wanted, have = int(out.at(app, "status.wanted", 0)), int(out.at(app, "status.instances", 0))
    live = seen and ready.get("status") == "True" and (stopped or out.at(app, "status.live") == current)
    failed = seen and out.at(release, "status.phase") in ("Failed", "Aborted")
    counted = tr("{have} of {wanted} ready", have=have, wanted=wanted) if wanted else ""
    told = str(ready.get("message", "")) if seen else ""
    # Of a version that failed, the App knows more (its last words); of one on its way, the instances do.
    why = "" if live else (told or trouble(instances)) if failed else (trouble(instances) or told)
    name = tr("Version {version}", version=version(current)) if seen and current else tr("Version")
    cause = str(out.at(release, "spec.cause", "")) if seen else ""  # Until then it is the one before.
    made = Step(name, "done" if seen and (current or stopped) else "running", cause)
    state: State = "failed" if failed else "done" if live else "running" if made.state == "done" else "waiting"
    running = Step(tr("Instances"), state, "; ".join(item for item in (counted, "" if failed else why) if item))
    url = str(out.at(app, "status.url", "")) if live and not stopped else ""
    serving = Step(tr("Serving"), "done" if live else "waiting", url)
    failure = None
    if failed:
        failure = Failure(
            tr("Version {version} does not serve.", version=version(current)),
            why=why,
            hint=tr("See `roost logs` and `roost status`; what served before still serves."),
        )
    if seen and ready.get("reason") in NOT_LET_IN:
        failure = Failure(
            tr("No version is made of this image."),
            why=told,
            hint=tr("See `roost status`; what served before still serves."),
            code=REFUSED,
        )
    return Progress((made, running, serving), finished=live, failure=failure)


class Patience:
    """Takes a failure for one only when it was seen several times: what an older version left behind may look like one
    for the moment in which the new version begins."""

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, progress: Progress) -> Progress:
        """The progress, without a failure that is too young."""
        self.seen = self.seen + 1 if progress.failure else 0
        return replace(progress, failure=None) if progress.failure and self.seen < LOOKS else progress


def watch(session: Session, changed: Mapping[str, Any], timeout: int) -> Mapping[str, Any]:
    """Follow until the App as it was `changed` serves; the App then. Failure where it does not, or after `timeout`."""
    generation = int(out.at(changed, "metadata.generation", 0))
    last: dict[str, Any] = {}
    patience = Patience()

    def look() -> Progress:
        app = session.api.get(session.of_app())
        last.clear()
        last.update(app)
        release: Mapping[str, Any] = {}
        if out.at(app, "status.release"):
            release = _release(session, str(app["status"]["release"]))
        served = out.condition(app).get("status") == "True"
        instances = [] if served else session.api.get(session.of_app("instances")).get("items", [])
        return patience(steps(app, release, instances, generation))

    follow(look, timeout, session.command("status"))
    return last


def _release(session: Session, name: str) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = session.api.get(session.of_env("releases", name))
    except Failure:
        return {}  # Told by the App's own conditions; the next look finds it.
    return found


def _tell_change(session: Session, changed: Mapping[str, Any]) -> None:
    """What a dry run found, against what is."""
    try:
        spec = out.at(session.api.get(session.of_app()), "spec", {})
    except Failure as failure:
        if failure.code != NOT_FOUND:
            raise
        spec = {}
    changes = difference(spec, changed.get("spec", {})) if changed.get("kind", "App") == "App" else ()
    tell(changes)
    out.say(tr("It would be done; nothing was changed."))


def conclude(session: Session, changed: Mapping[str, Any], *, dry_run: bool, detach: bool, timeout: int) -> None:
    """The end of every verb that changes an App: say what a dry run found, or follow; print the App for machines."""
    if dry_run:
        _tell_change(session, changed)
    elif detach:
        out.say(tr("It goes on; see `{command}`.", command=session.command("status")))
    else:
        changed = watch(session, changed, timeout)
    if session.machine:
        out.show_one(changed, session.output, lambda: None)
