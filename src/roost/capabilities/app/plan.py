"""The plan of an App. Pure.

    App.spec -> Release (made first, in a pass of its own) -> release command -> Deployments, Services, route

Deployments are planned from a Release, never from the App: from the newest one whose release command has succeeded,
and until then from the one that served last. What a tenant's text becomes is applied as the tenant's deployer.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from roost.capabilities.app import budget, checks, moving
from roost.capabilities.app.manifests import network, secret
from roost.capabilities.app.manifests.deployment import Identity, deployment
from roost.capabilities.app.manifests.job import job
from roost.capabilities.app.manifests.pod import CANDIDATE, runtime
from roost.capabilities.app.manifests.release import release
from roost.capabilities.app.model import Observed, SeenRelease
from roost.capabilities.app.rollout import LOOKS, SETTLED, Turn, by_steps, leaving, process_of, share_of_requests, turn
from roost.model import names
from roost.model.conditions import Condition, not_ready, ready, timestamp
from roost.model.configuration import secret_version
from roost.model.content import content_digest, gate_digest
from roost.model.kinds.app import App, AppSpec, Process
from roost.model.kinds.images import look_again
from roost.model.kinds.vulnerabilities import NEW
from roost.model.plan import DEPLOYER, Action, Apply, Plan

KEPT_AT_MOST = 500  # Beside those that are pinned: an environment takes 5,500 Releases of 100 applications.
ENDED = ("Failed", "Aborted")  # What never served stays what it is.
SOON = timedelta(seconds=2)
AT_ONCE = timedelta(milliseconds=1)  # No event is waited for, nor the gap between two looks: it is in the cache.
WATCHING = timedelta(seconds=5)


@dataclass(frozen=True)
class Choice:
    """Which Release is the newest, and which one the Deployments follow."""

    current: SeenRelease
    serving: SeenRelease | None
    gate: bool  # The current one still waits for its release command.
    held: bool = False  # It must not begin: the error budget is spent.


def _deploy(*manifests: dict[str, Any]) -> list[Apply]:
    return [Apply(manifest, DEPLOYER) for manifest in manifests]


def _served_before(observed: Observed) -> SeenRelease | None:
    served = [seen for seen in observed.releases[:-1] if seen.phase in ("Live", "Superseded")]
    return served[-1] if served else None


def _choose(app: App, observed: Observed) -> Choice:
    current = observed.releases[-1]
    before = _served_before(observed)
    if before is not None and _taken_back(app, current):
        return Choice(current, before, False)
    # What a command did for this very image and configuration it did. Run again by an old image, on data that newer
    # ones have moved on since, it would fail, and keep a rollback from happening.
    gate = gate_digest(current.content)
    passed = (
        not current.content.release_command
        or current.phase in ("Live", "Superseded")
        or any((seen.served or seen is before) and gate_digest(seen.content) == gate for seen in observed.releases[:-1])
        or any(seen.release == current.name and seen.state == "succeeded" for seen in observed.jobs)
    )
    return Choice(current, current if passed else before, not passed)


def _taken_back(app: App, current: SeenRelease) -> bool:
    """For good. What is live already goes by another version: `roost rollback`."""
    asked = app.spec.rollout.abort == current.number and current.phase in (None, "Pending", "Failed")
    return asked or current.phase == "Aborted"


def _turn(app: App, choice: Choice, observed: Observed, now: datetime) -> Turn | None:
    """How a version stands that takes over by steps; also of one that another version took the place of."""
    before = _served_before(observed)
    left = budget.left(app, observed)
    if not choice.gate and before is not None and by_steps(app, choice.current, before, observed):
        return turn(app, choice.current, before, observed, now, slow=left is not None and left < budget.LITTLE)
    return leaving(app, choice.current, observed, now)


def hostnames(app: App, content: AppSpec, observed: Observed) -> tuple[list[str], list[str]]:
    """(host names that lead here, host names that are refused).

    Those beneath the environment's own, and those that it was granted and no older App of it has.
    """
    name, environment = app.metadata.name, observed.environment
    suffix = f"-{environment}.{observed.tenant}.{observed.domain}"
    own = names.hostname(name, environment, observed.tenant, observed.domain)
    beneath = {domain for domain in content.domains if domain.endswith(suffix) and "." not in domain[: -len(suffix)]}
    allowed = beneath | (set(content.domains) & (set(observed.granted) - observed.claimed.keys()))
    refused = [domain for domain in content.domains if domain not in allowed]
    return [own, *sorted(allowed - {own})], refused


def _identity(seen: SeenRelease, process_runtime: str, process: str, observed: Observed) -> Identity:
    """What instances say of themselves: where nothing of theirs changes, they keep name and shape and go on."""
    for there in observed.deployments:
        if there.process == process and there.runtime == process_runtime and there.release:
            return Identity(there.release, there.shape, observed.helped)
    return Identity(seen.name, helped=observed.helped)


def _budget(
    app: App, content: AppSpec, process: Process, observed: Observed, now: datetime, called: str = ""
) -> list[Apply]:
    """How many instances may be evicted at a time: none of one alone, until another serves in its place."""
    named = process.model_copy(update={"name": called or process.name})
    if process.replicas > 1 and not app.spec.stopped:
        return _deploy(network.disruption_budget(app, named))
    if not moving.alone(app, process):
        return []
    held = moving.stays(app, content, process, observed, now, called)
    return _deploy(network.disruption_budget(app, named, 0 if held else 1))


def _try_out(app: App, subject: SeenRelease, observed: Observed, now: datetime) -> list[Apply]:
    """The instances and the service of a version that takes over by steps."""
    process = process_of(subject.content)
    if process is None:
        return []
    mark = runtime(subject.content, process)
    made = _identity(subject, mark, CANDIDATE, observed)
    made = replace(made, moved=moving.moved(app, subject.content, process, observed, CANDIDATE))
    named = process.model_copy(update={"name": CANDIDATE})
    there = deployment(app, observed.environment, subject.content, process, made, CANDIDATE)
    kept = _budget(app, subject.content, process, observed, now, CANDIDATE)
    return [*_deploy(there, network.service(app, named)), *kept]


def _serve(app: App, serving: SeenRelease, observed: Observed, step: Turn | None, now: datetime) -> list[Apply]:
    """Everything that runs a Release, and what of the requests it leaves to another."""
    content = serving.content
    applied = _try_out(app, step.subject, observed, now) if step is not None and step.candidate else []
    for process in content.processes:
        made = _identity(serving, runtime(content, process), process.name, observed)
        made = replace(made, moved=moving.moved(app, content, process, observed))
        applied += _deploy(deployment(app, observed.environment, content, process, made))
        if process.port is not None:
            applied += _deploy(network.service(app, process))
        applied += _budget(app, content, process, observed, now)
    if _has_url(content):
        weight = share_of_requests(step)
        applied += _deploy(network.route(app, hostnames(app, content, observed)[0], weight))
    return applied


def _has_url(content: AppSpec) -> bool:
    return any(process.name == network.WEB and process.port is not None for process in content.processes)


def _secret(app: App, observed: Observed) -> tuple[list[Apply], bool]:
    """(the copy of the secret configuration to be made, whether the App's secret configuration is there)."""
    version = app.spec.secret_version
    if not version or observed.copied:
        return [], True
    if secret_version(observed.secret, observed.secret_salt) != version:
        return [], False
    made = secret.copy(app, version, observed.secret, observed.secret_salt)
    return [Apply(made, DEPLOYER, create=True, owned=False)], True


def _phases(choice: Choice, phase: str, live: bool, observed: Observed, now: datetime) -> tuple[Action, ...]:
    """What became of Releases where it is not written down: the current one, and those before it once it is live."""
    wanted: list[tuple[SeenRelease, str]] = [(choice.current, phase)]
    wanted += [(seen, "Superseded") for seen in observed.releases[:-1] if live and seen.phase not in ENDED]
    if phase == "Aborted" and choice.serving is not None and choice.serving.phase == "Superseded":
        wanted.append((choice.serving, "Live"))  # It was taken back as its last instances were replaced.
    return tuple(
        Action(
            "mark",
            f"{seen.name}:{to}",
            {"release": seen.name, "phase": to, "at": timestamp(now)},
        )
        for seen, to in wanted
        if seen.phase != to
    )


def _forget(app: App, observed: Observed, keep: Sequence[str], now: datetime) -> tuple[Action, ...]:
    """Releases beyond the history, and copies of secret configuration that no kept Release names."""
    history, beyond = app.spec.history, observed.releases[:-KEPT_AT_MOST]
    surplus = [
        seen
        for seen in observed.releases[: -history.count]
        if seen.name not in keep
        and seen.number not in history.pins
        and (seen in beyond or seen.made is None or seen.made + timedelta(days=history.days) <= now)
    ]
    actions = [Action("forget", seen.name, {"release": seen.name, "uid": seen.uid}) for seen in surplus]
    named = {seen.content.secret_version for seen in observed.releases if seen not in surplus}
    unnamed = sorted({seen.content.secret_version for seen in surplus} - named - {""})
    # First the copies: a Release that is still there says which, should this be cut short.
    actions = [Action("forget-secret", version, {"version": version}) for version in unnamed] + actions
    return tuple(actions)


def _domains(refused: list[str], observed: Observed) -> tuple[Condition, ...]:
    if not refused:
        return ()
    taken = [f"{domain} ({observed.claimed[domain]})" for domain in refused if domain in observed.claimed]
    if taken:
        message = f"These host names lead to another application of this environment: {', '.join(taken)}."
        return (Condition("Domains", "False", "HostnameTaken", message),)
    message = (
        f"These host names are not granted to this environment and lead nowhere: {', '.join(refused)}. "
        "A host name ends with the environment, the tenant and the platform's domain, or an administrator grants it "
        "(`roost domain grant`)."
    )
    return (Condition("Domains", "False", "HostnameRefused", message),)


def _vulnerable(observed: Observed) -> tuple[Condition, ...]:
    """What became known of the version that serves, as its VulnerabilityReport says it."""
    return (Condition("Vulnerable", "True", NEW, observed.vulnerable),) if observed.vulnerable else ()


def _still(observed: Observed) -> str:
    """Who serves meanwhile."""
    before = [seen for seen in observed.releases[:-1] if seen.phase in ("Live", "Superseded")]
    if not before:
        return ""
    return f" (v{before[-1].number} still serves)"


def _by_steps(step: Turn, version: str) -> Condition | None:
    """How a version stands that takes over by steps; None where nothing is special about it."""
    state = step.state
    if state.phase == "Aborted":
        return not_ready("RolledBack", f"{state.message} It takes no request any more; deploy another version.")
    if state.phase == "Starting":
        return not_ready("RollingOut", f"{version} takes no requests yet: {state.message}")
    if state.phase in ("Testing", "Paused"):
        return not_ready(state.phase, f"{version} takes {state.weight} % of the requests: {state.message}")
    return None


def _ready(
    app: App,
    choice: Choice,
    found: Sequence[checks.Rollout],
    observed: Observed,
    now: datetime,
    step: Turn | None = None,
) -> Condition:
    version = f"v{choice.current.number}"
    if choice.held:
        return not_ready("ErrorBudgetSpent", f"{version}{_still(observed)}: {budget.SPENT}")
    if step is not None and step.subject == choice.current:
        special = _by_steps(step, version)
        if special is not None:
            return special
    elif choice.serving != choice.current and not choice.gate:
        return not_ready("RolledBack", f"{version} was taken back{_still(observed)}. Deploy another version.")
    if choice.gate:
        job = next((seen for seen in observed.jobs if seen.release == choice.current.name), None)
        verdict = checks.release_command(job, choice.current.content)
        return not_ready(verdict.reason, f"{version}{_still(observed)}: {verdict.message}")
    was_live = choice.current.phase == "Live"
    way = checks.route_taken(observed, now)
    if all(rollout.handed_over for rollout in found):
        if not way.ok and not app.spec.stopped:
            return not_ready(way.reason, f"{version}: {way.message}.")
        if app.spec.stopped:
            return ready("Stopped", f"{version} is stopped, as asked for.")
        return ready(message=f"{version} serves.")
    moves = moving.under_way(choice.current.content, observed) if was_live else {}
    if moves and all(rollout.handed_over or rollout.process.name in moves for rollout in found):
        return ready("Moving", f"{version} serves; {'; '.join(moves.values()).rstrip('.')}.")
    verdict = checks.trouble(found)
    if not verdict.ok:
        still = "" if was_live else _still(observed)
        return not_ready(verdict.reason, f"{version}{still}: {verdict.message}")
    if all(rollout.settling for rollout in found):
        return not_ready("RollingOut", f"{version} answers; it counts when it has done so for some seconds.")
    if all(rollout.updated for rollout in found):
        return not_ready("HandingOver", f"{version} serves; the old version ends: {checks.progress(found, now)}.")
    reason = "Stopping" if app.spec.stopped else "Degraded" if was_live else "RollingOut"
    return not_ready(reason, f"{version}: {checks.progress(found, now)}.")


def _still_newest(observed: Observed) -> str:
    """Who goes on meanwhile, where there is a version."""
    return f" v{observed.releases[-1].number} stays." if observed.releases else ""


def _before_release(app: App, observed: Observed, waiting: Condition | None, now: datetime) -> Plan:
    """The App's content is no Release yet: make it, and let run what runs."""
    applied: list[Apply] = []
    status: dict[str, Any] = {"url": _url(app, app.spec, observed)}
    if observed.releases:
        choice = _held(app, _choose(app, observed), observed)
        step = _turn(app, choice, observed, now)
        status["release"] = choice.current.name
        serving = step.serving or choice.serving if step is not None else choice.serving
        if serving is not None:
            applied += _serve(app, serving, observed, step, now)
        applied += _jobs(app, choice, observed)
    if waiting is not None:
        status |= _kept(app, observed)
        return Plan(tuple(applied), conditions=(waiting,), status=status, next_check=SOON)
    copies, _ = _secret(app, observed)
    made = release(app, observed.releases)
    status |= _kept(app, observed) | {"release": made["metadata"]["name"]}
    return Plan(
        (*copies, Apply(made, DEPLOYER, create=True, owned=False), *applied),
        conditions=(not_ready("RollingOut", f"v{made['spec']['number']} was made and begins."),),
        status=status,
        next_check=AT_ONCE,
    )


def _kept(app: App, observed: Observed) -> dict[str, Any]:
    """What of the status holds on while a new version is made."""
    content = observed.releases[-1].content if observed.releases else app.spec
    return {
        "live": app.status.live,
        "instances": sum(pod.ready and not pod.terminating for pod in observed.pods),
        "wanted": sum(_wanted(app, content)),
    }


def _served(app: App, observed: Observed) -> dict[str, Any]:
    """Where versions pass a gate: the images that one may go back to without passing it again; admission reads it."""
    if not observed.gated:
        return {"served": None} if app.status.served else {}
    images = {seen.content.artefact.image for seen in observed.releases if seen.content.artefact is not None}
    return {"served": sorted(images)}


def _wanted(app: App, content: AppSpec) -> list[int]:
    """Instances that each process should have."""
    return [0 if app.spec.stopped else process.replicas for process in content.processes]


def _jobs(app: App, choice: Choice, observed: Observed) -> list[Apply]:
    """The release command of the current Release: while it is waited for, and afterwards as long as it is there."""
    ran = any(seen.release == choice.current.name for seen in observed.jobs)
    if not choice.gate and not ran:
        return []
    made = job(app, observed.environment, choice.current.content, choice.current.name)
    return [Apply(made, DEPLOYER, create=True)]


def _url(app: App, content: AppSpec, observed: Observed) -> str | None:
    if not _has_url(content):
        return None
    own = names.hostname(app.metadata.name, observed.environment, observed.tenant, observed.domain)
    return f"http://{own}"


def plan(app: App, observed: Observed, now: datetime) -> Plan:
    """What should be of this App."""
    if not observed.tenant:
        message = "This namespace is no environment of a tenant, so no application runs in it."
        return Plan(conditions=(not_ready("NoEnvironment", message),), hold=True)
    if app.spec.artefact is None and not observed.releases:
        message = "There is no version yet: push to a project, or deploy an image by digest."
        return Plan(conditions=(not_ready("NoArtefact", message),), status={"url": _url(app, app.spec, observed)})
    if app.spec.artefact is None:
        message = "The application no longer names a version; what served last still does."
        return _before_release(app, observed, not_ready("NoArtefact", message), now)
    copies, complete = _secret(app, observed)
    if not complete:
        message = "The secret configuration is being written."
        return _before_release(app, observed, not_ready("ConfigurationPending", message), now)
    if not observed.releases or observed.releases[-1].digest != content_digest(app.spec):
        if observed.refused is not None:
            why = observed.refused
            message = f"No version is made of {why.image}: {why.message}{_still_newest(observed)}"
            waits = _before_release(app, observed, not_ready(why.reason, message), now)
            return replace(waits, next_check=look_again(why, app.status.conditions, now))
        return _before_release(app, observed, None, now)

    choice = _held(app, _choose(app, observed), observed)
    step = _turn(app, choice, observed, now)
    if step is not None and step.serving is not None:
        choice = replace(choice, serving=step.serving)
    content = choice.current.content
    applied = [*copies, *_jobs(app, choice, observed)]
    if choice.serving is not None:
        applied += _serve(app, choice.serving, observed, step, now)
    found = () if choice.gate else checks.rollouts(content, app.spec.stopped, observed)
    condition = _ready(app, choice, found, observed, now, step)
    live = not choice.gate and bool(found) and (condition.status == "True" or _replacing(step))
    phase = _phase(choice, condition, live, observed)
    refused = hostnames(app, content, observed)[1]
    keep = [seen.name for seen in (choice.current, choice.serving) if seen is not None]
    status = {
        "release": choice.current.name,
        "live": _live(app, choice, live, phase),
        "url": _url(app, content, observed),
        "instances": sum(pod.ready and not pod.terminating for pod in observed.pods),
        "wanted": sum(_wanted(app, content)),
        **_served(app, observed),
        **_steps_status(app, step),
        **budget.status(app, observed, now),
    }
    return Plan(
        apply=tuple(applied),
        actions=(*_phases(choice, phase, live, observed, now), *_forget(app, observed, keep, now)),
        conditions=(condition, *_domains(refused, observed), *_vulnerable(observed)),
        status=status,
        next_check=SOON if copies else _sooner(_next_check(app, condition, step), moving.again(observed, now)),
    )


def _live(app: App, choice: Choice, live: bool, phase: str) -> str | None:
    """The Release that serves."""
    if phase == "Aborted" and choice.serving is not None:
        return choice.serving.name
    return choice.current.name if live else app.status.live


def _held(app: App, choice: Choice, observed: Observed) -> Choice:
    """Where nothing is left of the error budget, no new version begins; what served before may come back."""
    current, before = choice.current, _served_before(observed)
    free = (
        before is None
        or current.phase in SETTLED
        or app.spec.rollout.promote == current.number
        or choice.serving != current
        or any(seen.served and seen.digest == current.digest for seen in observed.releases[:-1])
        or _runs(current, observed)
    )
    if free or budget.left(app, observed) != 0:
        return choice
    return replace(choice, serving=before, held=True)


def _runs(current: SeenRelease, observed: Observed) -> bool:
    """Whether instances of this version are there already: a version that has begun goes on."""
    return any(seen.release == current.name for seen in observed.deployments)


def _replacing(step: Turn | None) -> bool:
    """A version that has passed all its steps counts: it has every request."""
    return step is not None and step.state.phase == "Replacing" and step.serving == step.subject


def _steps_status(app: App, step: Turn | None) -> dict[str, Any]:
    if step is not None:
        return {"rollout": step.state.wire()}
    return {}


def _sooner(one: timedelta | None, other: timedelta | None) -> timedelta | None:
    return min((item for item in (one, other) if item is not None), default=None)


def _next_check(app: App, condition: Condition, step: Turn | None) -> timedelta | None:
    if step is not None and step.begun:
        return LOOKS
    if condition.status != "True":
        return _again(condition)
    return budget.LOOKS if app.spec.slo.availability else None


def _again(condition: Condition) -> timedelta:
    return checks.FOLLOWS if condition.reason == "RouteNotTaken" else WATCHING


def _phase(choice: Choice, condition: Condition, live: bool, observed: Observed) -> str:
    """What the current Release is: once live it stays so until another one is, whatever its instances suffer."""
    if condition.reason == "RolledBack":
        return "Aborted"
    if live or choice.current.phase == "Live":
        return "Live"
    return "Failed" if checks.fatal(condition.reason, observed) else "Pending"
