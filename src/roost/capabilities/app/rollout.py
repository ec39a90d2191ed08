"""How a version takes over by steps: blue-green and canary. Pure; part of `plan`.

    Starting -> Testing 1..n -> [Paused] -> Testing with all requests -> Replacing -> Live
                      |  a check fails, or a person says so: Aborted, for good
                      |  (a person also in Replacing: the requests go back to the ordinary instances at once, those of
                      |  them that are of the new version already are replaced once more)

The new version's instances (the candidate) have a Deployment and a Service of their own, `<app>-web--next`; the route
gives them their share by weight. In the end the ordinary Deployment follows, and the candidate goes. Where it stands is
the App's status: whoever is killed at any moment goes on from there, and a step whose end was not written down is
judged again by the same counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from roost.capabilities.app import checks
from roost.capabilities.app.manifests.network import WEB
from roost.capabilities.app.manifests.pod import CANDIDATE, runtime
from roost.capabilities.app.model import Observed, SeenRelease
from roost.model.conditions import timestamp
from roost.model.kinds.app import App, AppSpec, Checks, Counters, Process, RolloutStatus
from roost.model.plan import Verdict

OK = Verdict(True)
# After a change of the route, the gateway may lead by the former one for a moment: nothing of that is taken away yet.
FOLLOWS = timedelta(seconds=5)
LOOKS = timedelta(seconds=2)
SETTLED = ("Live", "Superseded", "Aborted")  # Phases of a Release that has nothing to try any more.
OVER = ("Aborted", "Live")
SLOWER = 2  # Steps take so much longer while little of the error budget is left.


@dataclass(frozen=True)
class Turn:
    """What a version that takes over by steps asks for at this moment."""

    subject: SeenRelease
    state: RolloutStatus
    serving: SeenRelease | None  # What the ordinary Deployments follow; None: this has no say in it.
    candidate: bool  # Its own instances are to be there.
    begun: bool  # Somebody must look again soon.


def process_of(content: AppSpec) -> Process | None:
    """The process that has the URL."""
    return next((item for item in content.processes if item.name == WEB and item.port is not None), None)


def by_steps(app: App, current: SeenRelease, before: SeenRelease | None, observed: Observed) -> bool:
    """Whether this version takes over by steps. What served before comes back at once, and what replaces no instance
    has nothing to try.
    """
    state = app.status.rollout
    if state is not None and state.release == current.name:
        return True
    if app.spec.rollout.strategy == "rolling" or before is None or app.spec.stopped or current.phase in SETTLED:
        return False
    new, old = process_of(current.content), process_of(before.content)
    if new is None or old is None or new.replicas == 0:
        return False
    if any(seen.served and seen.digest == current.digest for seen in observed.releases[:-1]):
        return False
    return runtime(current.content, new) != runtime(before.content, old)


def candidate(current: SeenRelease, observed: Observed) -> checks.Rollout:
    """The new version's own instances."""
    process = process_of(current.content)
    assert process is not None
    mark = runtime(current.content, process)
    there = {seen.process: seen for seen in observed.deployments}
    pods = [pod for pod in observed.pods if pod.process == CANDIDATE and pod.runtime == mark and not pod.terminating]
    return checks.Rollout(process, process.replicas, mark, there.get(CANDIDATE), tuple(pods))


def since(now: Counters, before: Counters) -> Counters | None:
    """What was counted from one moment to another; None where a gateway has begun to count anew."""
    requests, errors, slow = now.requests - before.requests, now.errors - before.errors, now.slow - before.slow
    return None if min(requests, errors, slow) < 0 else Counters(requests=requests, errors=errors, slow=slow)


def share(part: int, whole: int) -> str:
    """A share as people read it."""
    return f"{100 * part / whole:.1f} %"


def healthy(counted: Counters, wanted: Checks) -> Verdict:
    """Errors and latency, as the gateways counted them."""
    if counted.requests < wanted.min_requests:
        return OK
    if counted.errors * 100 > wanted.error_percent * counted.requests:
        words = f"{share(counted.errors, counted.requests)} of {counted.requests} requests failed"
        return Verdict(False, "TooManyErrors", f"{words}; {wanted.error_percent} % may.")
    if wanted.latency_ms and counted.slow * 100 > wanted.slow_percent * counted.requests:
        words = f"{share(counted.slow, counted.requests)} of {counted.requests} requests took longer than"
        return Verdict(False, "TooSlow", f"{words} {wanted.latency_ms} ms; {wanted.slow_percent} % may.")
    return OK


@dataclass(frozen=True)
class _Now:
    """Everything that the next state follows from."""

    app: App
    current: SeenRelease
    before: SeenRelease
    observed: Observed
    now: datetime
    slow: bool  # Little of the error budget is left.

    @property
    def weights(self) -> Sequence[tuple[int, int]]:
        """(percent, seconds) of every step; the last one has everything."""
        wanted = self.app.spec.rollout
        steps = [(item.weight, item.hold_s) for item in wanted.steps] if wanted.strategy == "canary" else []
        return [*steps, (100, wanted.bake_s)]

    def state(self, phase: str, step: int, weight: int, message: str) -> RolloutStatus:
        """A new state, from this moment on."""
        counted = self.observed.traffic.get(CANDIDATE) or Counters()
        return RolloutStatus.model_validate(
            {
                "release": self.current.name,
                "phase": phase,
                "step": step,
                "weight": weight,
                "since": timestamp(self.now),
                "before": counted,
                "message": message,
            }
        )

    def aborted(self, why: str) -> RolloutStatus:
        """The version takes no request any more."""
        words = f"v{self.current.number} was taken back, v{self.before.number} serves: {why}"
        return self.state("Aborted", 0, 0, words[:1000])


def _passed(state: RolloutStatus, now: datetime) -> timedelta:
    return now - datetime.fromisoformat(state.since.replace("Z", "+00:00"))


def _told(state: RolloutStatus, message: str) -> RolloutStatus:
    return state.model_copy(update={"message": message[:1000]})


def _judged(at: _Now, state: RolloutStatus, seconds: int) -> tuple[RolloutStatus, bool]:
    """(the state with what it waits for, whether the step is over) while the checks hold; else Aborted, or no end."""
    wanted = at.app.spec.rollout
    verdict, counted = OK, None
    if at.observed.helped:
        seen = at.observed.traffic.get(CANDIDATE)
        if seen is None:
            return _told(state, "The gateways do not tell what they counted; the step waits for that."), False
        counted = since(seen, state.before)
        if counted is None:
            return at.state(
                state.phase, state.step, state.weight, "A gateway began to count anew, and so the step."
            ), False
        verdict = healthy(counted, wanted.checks)
    rollout = candidate(at.current, at.observed)
    trouble = checks.trouble([rollout])
    if verdict.ok and not trouble.ok and checks.fatal(trouble.reason, at.observed):
        verdict = trouble
    if not verdict.ok:
        if wanted.automatic_rollback:
            return at.aborted(verdict.message), False
        return _told(state, f"It stops here: {verdict.message} (`roost rollout abort` or `promote`)"), False
    left = timedelta(seconds=seconds * (SLOWER if at.slow else 1)) - _passed(state, at.now)
    if not rollout.updated:
        return _told(state, f"Not all of its instances are ready: {checks.progress([rollout], at.now)}."), False
    words = f"{counted.requests} requests, {counted.errors} failed" if counted else "its instances are ready"
    return _told(state, f"{words}; {max(0, int(left.total_seconds()))} s to go."), left <= timedelta(0)


def _next(at: _Now, state: RolloutStatus) -> RolloutStatus:
    """The state after `state`."""
    wanted = at.app.spec.rollout
    promoted = wanted.promote == at.current.number
    if state.phase in OVER:
        return state
    if wanted.abort == at.current.number:
        return at.aborted("a person said so.")
    if state.phase == "Starting":
        return _started(at, state, promoted)
    if state.phase == "Replacing":
        found = checks.rollouts(at.current.content, at.app.spec.stopped, at.observed)
        if all(rollout.handed_over for rollout in found):
            return at.state("Live", state.step, 100, "It serves.")
        return _told(state, f"The old instances are replaced: {checks.progress(found, at.now)}.")
    if state.phase == "Paused":
        if promoted:
            return _testing(at, len(at.weights), promoted)
        judged, _ = _judged(at, state, 0)
        return judged if judged.phase != "Paused" else _told(state, "It waits for `roost rollout promote`.")
    if promoted and state.weight < 100:
        return _testing(at, len(at.weights), promoted)
    step = min(state.step, len(at.weights))
    judged, over = _judged(at, state, at.weights[step - 1][1])
    if not over:
        return judged
    if step == len(at.weights):
        return at.state("Replacing", step, 100, "The old instances are replaced.")
    return _testing(at, step + 1, promoted)


def _started(at: _Now, state: RolloutStatus, promoted: bool) -> RolloutStatus:
    """Its instances begin; without all of them being ready it gets no request."""
    rollout = candidate(at.current, at.observed)
    if rollout.settling and rollout.deployment is not None and rollout.deployment.available >= rollout.wanted:
        return _testing(at, 1, promoted)
    trouble = checks.trouble([rollout])
    if trouble.ok:
        return _told(state, f"Its instances begin: {checks.progress([rollout], at.now)}.")
    if checks.fatal(trouble.reason, at.observed) and at.app.spec.rollout.automatic_rollback:
        return at.aborted(trouble.message)
    return _told(state, trouble.message)


def _testing(at: _Now, step: int, promoted: bool) -> RolloutStatus:
    """A step begins; before the one with all requests a person may have to say so."""
    last = step == len(at.weights)
    if last and at.app.spec.rollout.pause and not promoted:
        weight = at.weights[step - 2][0] if step > 1 else 0
        return at.state("Paused", step, weight, "It waits for `roost rollout promote`.")
    return at.state("Testing", step, at.weights[step - 1][0], "The step begins.")


def turn(
    app: App, current: SeenRelease, before: SeenRelease, observed: Observed, now: datetime, slow: bool = False
) -> Turn:
    """The state that follows from the one in the App's status, and what it asks for."""
    at = _Now(app, current, before, observed, now, slow)
    state = app.status.rollout
    if state is None or state.release != current.name:
        new = at.state("Starting", 0, 0, "Its instances begin.")
    else:
        new = _next(at, state)
    serving = current if new.phase in ("Replacing", "Live") else before
    return Turn(current, new, serving, *_there(new, observed, now))


def _there(state: RolloutStatus, observed: Observed, now: datetime) -> tuple[bool, bool]:
    """(whether the candidate's instances must be there, whether somebody must look again soon)."""
    if state.phase not in OVER:
        return True, True
    route = observed.route
    followed = route is None or (route.taken and _passed(state, now) >= FOLLOWS)
    there = any(seen.process == CANDIDATE for seen in observed.deployments)
    return there and not followed, there


def leaving(app: App, current: SeenRelease, observed: Observed, now: datetime) -> Turn | None:
    """Of a version that took over by steps until another one came: its instances go once the gateway knows."""
    state = app.status.rollout
    subject = next((seen for seen in observed.releases if state is not None and seen.name == state.release), None)
    if state is None or subject is None or not any(seen.process == CANDIDATE for seen in observed.deployments):
        return None
    if state.phase not in OVER:
        words = f"v{current.number} came instead."
        fresh = {"phase": "Aborted", "step": 0, "weight": 0, "since": timestamp(now), "message": words}
        state = state.model_copy(update=fresh)
    return Turn(subject, state, None, *_there(state, observed, now))


def share_of_requests(step: Turn | None) -> int:
    """Percent of the requests that go to the candidate."""
    return step.state.weight if step is not None and step.state.phase not in ("Starting", *OVER) else 0
