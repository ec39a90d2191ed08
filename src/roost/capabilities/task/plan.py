"""The plan of a Task: one Job, its end, and its being forgotten. Pure.

    Pending -> Running -> Succeeded | Failed

The pod is the tenant's: applied as the deployer, from a version that serves, so a task can run nothing that the
application could not. A task ends once; an hour later it goes, and its pod and log with it.
"""

from datetime import datetime, timedelta
from typing import Any

from roost.capabilities.task.manifests.job import job
from roost.capabilities.task.model import Observed
from roost.model.conditions import Condition, not_ready, ready, timestamp
from roost.model.kinds.task import Task
from roost.model.plan import DEPLOYER, Action, Apply, Plan

ENDED = ("Succeeded", "Failed")
KEPT = timedelta(hours=1)
LOOK_AGAIN = timedelta(seconds=5)
WORDS = 600  # Of what its instance said last.


def plan(item: Task, observed: Observed, now: datetime) -> Plan:
    """What should be of this Task."""
    if item.status.phase in ENDED:
        return _ended(item, now)
    if not observed.environment:
        return _end(item, now, "NoEnvironment", "This namespace is no environment of a tenant.")
    pod = observed.pod
    if pod is not None and pod.ended:
        return _over(item, observed, now)
    if observed.job_failed:
        return _end(item, now, observed.job_failed, _given_up(item, observed.job_failed))
    # What has begun goes on, whatever becomes of the application meanwhile.
    if not observed.job and (refusal := _refusal(item, observed)):
        return _end(item, now, *refusal)
    began = pod is not None and pod.started
    status: dict[str, Any] = {"phase": "Running" if began else "Pending"}
    if observed.release:
        status["release"] = observed.release
    if pod is not None:
        status["instance"] = pod.name
    if began:
        status["startedAt"] = item.status.started_at or timestamp(now)
    applied: tuple[Apply, ...] = ()
    if observed.content is not None and observed.content.artefact is not None:
        made = job(item, observed.environment, observed.release, observed.content)
        applied = (Apply(made, DEPLOYER, create=True),)
    return Plan(applied, conditions=(_waits(observed),), status=status, next_check=LOOK_AGAIN, hold=not applied)


def _refusal(item: Task, observed: Observed) -> tuple[str, str] | None:
    """(reason, words) why it cannot begin."""
    content = observed.content
    if not observed.app:
        return "AppGone", f"There is no application {item.spec.app}."
    if content is None or content.artefact is None:
        return "NoVersion", f"{item.spec.app} has no version yet: push to its project, or deploy one."
    if item.spec.process and item.spec.process not in [process.name for process in content.processes]:
        known = ", ".join(process.name for process in content.processes)
        return "NoProcess", f"{observed.release} has no process {item.spec.process}. It has: {known}."
    return None


def _waits(observed: Observed) -> Condition:
    pod = observed.pod
    if pod is None:
        words = "Its instance is being made. If that goes on, the environment's quota has no room for it."
        return not_ready("Starting", words)
    if pod.started:
        return not_ready("Running", f"It runs in {pod.name}.")
    return not_ready(pod.reason or "Starting", pod.message[-WORDS:] or "Its instance is starting.")


def _given_up(item: Task, reason: str) -> str:
    if reason == "DeadlineExceeded":
        return f"It was ended after its {item.spec.timeout_s} s."
    return f"Kubernetes gave it up: {reason}."


def _over(item: Task, observed: Observed, now: datetime) -> Plan:
    pod = observed.pod
    assert pod is not None
    if pod.exit_code == 0:
        condition = ready("Succeeded", "It ended with exit code 0.")
    elif observed.job_failed == "DeadlineExceeded":
        condition = not_ready("DeadlineExceeded", _given_up(item, observed.job_failed))
    else:
        how = f"exit code {pod.exit_code}" if pod.exit_code is not None else pod.reason or "an unknown reason"
        said = f" It said last: {pod.message[-WORDS:]}" if pod.message else ""
        condition = not_ready(pod.reason or "Failed", f"It ended with {how}.{said}")
    return Plan(
        conditions=(condition,),
        status={
            "phase": "Succeeded" if pod.exit_code == 0 else "Failed",
            "instance": pod.name,
            "exitCode": pod.exit_code,
            "startedAt": item.status.started_at or timestamp(now),
            "finishedAt": timestamp(now),
        },
        next_check=KEPT,
        hold=True,
    )


def _end(item: Task, now: datetime, reason: str, message: str) -> Plan:
    return Plan(
        conditions=(not_ready(reason, message),),
        status={"phase": "Failed", "finishedAt": timestamp(now)},
        next_check=KEPT,
        hold=True,
    )


def _ended(item: Task, now: datetime) -> Plan:
    """Nothing changes any more; after a while it goes."""
    said = next((one for one in item.status.conditions if one.type == "Ready"), None)
    kept = (Condition(said.type, said.status, said.reason, said.message),) if said else ()
    finished = item.status.finished_at or item.metadata.creation_timestamp
    left = KEPT - (now - datetime.fromisoformat(finished)) if finished else KEPT
    gone = left <= timedelta(0)
    return Plan(
        actions=(Action("forget", item.metadata.uid),) if gone else (),
        conditions=kept,
        status={"phase": item.status.phase},
        next_check=None if gone else left,
        hold=True,
    )
