"""Named checks of an App: how its instances are, and why, in words for the person who deployed. Pure.

Each gives a Verdict; `plan` takes the first that is not ok.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from roost.capabilities.app.manifests.pod import runtime
from roost.capabilities.app.model import Observed, SeenDeployment, SeenJob, SeenPod
from roost.model.kinds.app import AppSpec, Process
from roost.model.plan import Verdict

OK = Verdict(True)
PULL = frozenset({"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"})
# The node asks again by itself, and soon: no failure of the version.
AWAY = ("connection refused", "connection reset", "i/o timeout", "EOF", "no route to host", "503 Service Unavailable")
REFUSED_START = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "ContainerCannotRun"}
)
FOLLOWS = timedelta(seconds=1)  # So long the gateway takes to lead requests by a route that it has accepted.
WORDS = 600  # Characters of an application's last lines that a condition repeats.


@dataclass(frozen=True)
class Rollout:
    """One process of the version that should run: what was asked for, and what is there."""

    process: Process
    wanted: int
    runtime: str
    deployment: SeenDeployment | None
    pods: tuple[SeenPod, ...]  # Of this version only.

    @property
    def updated(self) -> bool:
        """All instances of this version are there and serve."""
        seen = self.deployment
        return (
            seen is not None
            and seen.settled
            and seen.runtime == self.runtime
            and seen.wanted == self.wanted
            and seen.updated >= self.wanted
            and sum(pod.ready for pod in self.pods) >= self.wanted
        )

    @property
    def settling(self) -> bool:
        """All instances are of this version and serve, nothing of an older one is left, and they count soon."""
        return self.updated and self.deployment is not None and self.deployment.replicas == self.wanted

    @property
    def handed_over(self) -> bool:
        """And nothing of an older version is left. (`available` counts instances of all versions.)"""
        seen = self.deployment
        return (
            seen is not None
            and seen.settled
            and seen.runtime == self.runtime
            and seen.wanted == seen.updated == seen.replicas == self.wanted
            and seen.available >= self.wanted
        )


def rollouts(content: AppSpec, stopped: bool, observed: Observed) -> tuple[Rollout, ...]:
    """Each process of a version beside what is there of it."""
    deployments = {seen.process: seen for seen in observed.deployments}
    found = []
    for process in content.processes:
        mark = runtime(content, process)
        pods = tuple(
            pod for pod in observed.pods if pod.process == process.name and pod.runtime == mark and not pod.terminating
        )
        wanted = 0 if stopped else process.replicas
        found.append(Rollout(process, wanted, mark, deployments.get(process.name), pods))
    return tuple(found)


def _said(pod: SeenPod) -> str:
    words = pod.last_words.strip()
    if len(words) > WORDS:
        words = "…" + words[-WORDS:]
    return f" It said last: {words}" if words else ""


def image_pulled(rollout: Rollout) -> Verdict:
    """The image can be had."""
    for pod in rollout.pods:
        if pod.waiting in PULL:
            why = pod.waiting_message or pod.waiting
            if any(sign in why for sign in AWAY):
                words = f"The registry does not answer yet, so the image of {rollout.process.name} is not there: {why}"
                return Verdict(False, "RegistryAway", words)
            return Verdict(False, "ImagePull", f"The image of {rollout.process.name} cannot be pulled: {why}")
    return OK


def start_allowed(rollout: Rollout) -> Verdict:
    """The container can be started at all."""
    for pod in rollout.pods:
        if pod.exit_reason == "StartError" and not pod.started:
            why = pod.last_words.strip() or pod.exit_reason
        elif pod.waiting in REFUSED_START:
            why = pod.waiting_message or pod.waiting
        else:
            continue
        why = why.rpartition("error during container init: ")[2]  # Before it stands how containerd reached runc.
        if "runAsNonRoot" in why or "non-numeric user" in why:
            why += ". Name the user by number in the Containerfile (USER 1000), or let the image be marked as root's."
        return Verdict(False, "StartRefused", f"{rollout.process.name} cannot be started: {why}")
    return OK


def memory_suffices(rollout: Rollout) -> Verdict:
    """No instance was ended for taking more memory than it has."""
    for pod in rollout.pods:
        if pod.exit_reason == "OOMKilled" and not pod.ready:
            memory = rollout.process.resources.memory
            return Verdict(
                False,
                "OutOfMemory",
                f"{rollout.process.name} needs more than its {memory} of memory and was ended. Give it more.",
            )
    return OK


def port_opened(rollout: Rollout) -> Verdict:
    """What has a port listens on it in time."""
    process = rollout.process
    if process.port is None:
        return OK
    for pod in rollout.pods:
        late = pod.lived_s is not None and pod.lived_s >= process.health.start_s
        if pod.restarts and not pod.started and late and pod.exit_code is not None:
            what = f"answer {process.health.path} on" if process.health.path else "listen on"
            return Verdict(
                False,
                "PortNeverOpened",
                f"{process.name} did not {what} port {process.port} within {process.health.start_s} s and was ended. "
                f"It must listen on 0.0.0.0:$PORT.{_said(pod)}",
            )
    return OK


def keeps_running(rollout: Rollout) -> Verdict:
    """No instance ends over and over."""
    for pod in rollout.pods:
        # Once is no loop: what it depends on may just not have been there yet.
        again = pod.restarts >= 2 and not pod.ready and pod.exit_code is not None
        if again or pod.waiting == "CrashLoopBackOff":
            return Verdict(False, "CrashLooping", _ended(rollout.process, pod))
    return OK


def _ended(process: Process, pod: SeenPod) -> str:
    if pod.exit_code == 0:
        how = "ended by itself (exit code 0), but a process must go on running"
    else:
        how = f"ended with exit code {pod.exit_code}"
        if pod.exit_code == 127:
            how += " (command not found)"
        elif pod.exit_code == 126:
            how += " (the command cannot be executed)"
    return f"{process.name} {how}; {pod.restarts} restarts so far.{_said(pod)}"


def within_quota(rollout: Rollout) -> Verdict:
    """Nothing refuses to make instances."""
    seen = rollout.deployment
    if seen is None or not seen.refusal or not seen.settled or seen.runtime != rollout.runtime:
        return OK  # What there is was said of another version.
    refusal = seen.refusal
    if seen.refusal_is_old:
        words = f"an instance of an earlier version of {rollout.process.name} was refused: {refusal}"
        return Verdict(False, "RollingOut", f"The instances begin; {words}")
    if "exceeded quota" in refusal:
        return Verdict(
            False,
            "QuotaExceeded",
            f"The environment's quota has no room for another instance of {rollout.process.name}: "
            f"{refusal.rstrip('. ')}. "
            "Scale down, ask for less, or have the quota raised; a new version needs room beside the old one.",
        )
    return Verdict(False, "InstanceRefused", f"An instance of {rollout.process.name} is refused: {refusal}")


def finds_room(rollout: Rollout) -> Verdict:
    """Every instance has a node."""
    for pod in rollout.pods:
        if pod.unschedulable:
            return Verdict(False, "NoRoom", f"No node has room for {rollout.process.name}: {pod.unschedulable}")
    return OK


def in_time(rollout: Rollout) -> Verdict:
    """The version came up before its deadline."""
    if rollout.deployment and rollout.deployment.stuck and rollout.deployment.settled and not rollout.updated:
        return Verdict(False, "TookTooLong", f"{rollout.process.name} did not come up in time.")
    return OK


def route_taken(observed: Observed, now: datetime) -> Verdict:
    """The gateway knows the way: it has accepted the route, and had the moment that it takes to follow it.

    Without a route there is nothing to wait for: it is made with the first instances, long before they are ready.
    """
    way = observed.route
    if way is None or (way.taken and (way.since is None or way.since + FOLLOWS <= now)):
        return OK
    return Verdict(False, "RouteNotTaken", "it answers, and the gateway is about to lead requests to it")


TROUBLES = (
    within_quota,
    image_pulled,
    start_allowed,
    memory_suffices,
    port_opened,
    keeps_running,
    finds_room,
    in_time,
)
# These heal by themselves too seldom to let whoever pushed wait for the deadline.
FATAL = frozenset(
    {"ImagePull", "StartRefused", "OutOfMemory", "PortNeverOpened", "CrashLooping", "InstanceRefused", "TookTooLong"}
) | {"ReleaseCommandFailed", "RolledBack", "ErrorBudgetSpent"}


def trouble(found: Sequence[Rollout]) -> Verdict:
    """The first trouble of any process, or ok."""
    for rollout in found:
        for check in TROUBLES:
            verdict = check(rollout)
            if not verdict.ok:
                return verdict
    return OK


def fatal(reason: str, observed: Observed) -> bool:
    """Whether a version with this trouble counts as failed. It is live all the same should it heal.

    Instances that are ending still count against the quota: while there are some, there may soon be room.
    """
    if reason in ("QuotaExceeded", "NoRoom"):
        return not any(pod.terminating for pod in observed.pods)
    return reason in FATAL


def progress(found: Sequence[Rollout], now: datetime) -> str:
    """How far a roll-out is, in words."""
    parts = []
    for rollout in found:
        if rollout.handed_over:
            continue
        name, port = rollout.process.name, rollout.process.port
        starting = [pod for pod in rollout.pods if pod.running_since and not pod.started]
        if starting and port is not None and starting[0].running_since is not None:
            waited_s = int((now - starting[0].running_since).total_seconds())
            if waited_s >= 10:
                parts.append(
                    f"{name} has not opened port {port} yet ({waited_s} s of {rollout.process.health.start_s} s)"
                )
                continue
        seen = rollout.deployment
        ready = sum(pod.ready for pod in rollout.pods)
        old = max(0, seen.replicas - seen.updated) if seen and seen.runtime == rollout.runtime else 0
        words = f"{ready} of {rollout.wanted} {name} ready"
        parts.append(f"{words}, {old} of the old version left" if old else words)
    return "; ".join(parts)


def release_command(job: SeenJob | None, content: AppSpec) -> Verdict:
    """The release command succeeded."""
    command = " ".join(content.release_command)
    if job is None or job.state == "running":
        return Verdict(False, "RunningReleaseCommand", f"The release command runs: {command}")
    if job.state == "failed":
        words = f" {job.message}" if job.message else ""
        return Verdict(False, "ReleaseCommandFailed", f"The release command failed: {command}.{words}")
    return OK
