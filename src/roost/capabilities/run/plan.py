"""The plan of a Run: wait for a place, build in a Job, read its report, promote the digest. Pure.

    Pending -> Building -> Succeeded (its image is signed, then promoted) | Failed | Cancelled

A run ends once. What it leaves are its Job and pods for an hour, its status, and a Promotion in the first environment,
whose name is the run's and whose sequence is the number of the move: doing it twice is doing it once.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from roost.capabilities.run import checks
from roost.capabilities.run.manifests import builder, definition, job, rerun, scanner, spare
from roost.capabilities.run.model import Observed
from roost.model import attestation, build_report, notices
from roost.model.advisories import version as database
from roost.model.build_pod import TRUST_MAP
from roost.model.build_report import BuildReport
from roost.model.build_task import Task
from roost.model.conditions import READY, Condition, not_ready, ready, timestamp
from roost.model.kinds.app import Artefact
from roost.model.kinds.channel import Event
from roost.model.kinds.delivery import Promotion, PromotionSpec, Run
from roost.model.names import AUTHOR, MANAGED_BY, PROJECT, RUN, TENANT, namespace, split_namespace
from roost.model.plan import DEPLOYER, Action, Apply, Plan
from roost.model.waivers import waived

LOOK_AGAIN = timedelta(seconds=5)
SPARE_AFTER, SPARE_AGAIN = timedelta(seconds=2), timedelta(seconds=20)
WAIVED = 1000  # Of a project: its pod is told of them in a variable.
ENDED = ("Succeeded", "Failed", "Cancelled")


def plan(run: Run, observed: Observed, now: datetime) -> Plan:
    """What should be of this Run, and what is told in the pass that ends it."""
    made = _own(run, observed, now)
    phase, place = made.status.get("phase"), split_namespace(run.metadata.namespace or "")
    if phase not in ENDED or run.status.phase in ENDED or place is None:
        return made
    return replace(made, apply=(*made.apply, *_told(run, place[0], observed, made, now)))


def _told(run: Run, tenant: str, observed: Observed, made: Plan, now: datetime) -> tuple[Apply, ...]:
    events: dict[str, Event] = {
        "Succeeded": "run.succeeded",
        "Failed": "run.failed",
        "Cancelled": "run.cancelled",
    }
    said, spec = made.conditions[0], run.spec
    facts = {"project": spec.project, "run": run.metadata.name, "ref": spec.ref, "commit": spec.commit}
    facts |= {"author": spec.author, "cause": spec.cause, "trigger": spec.trigger}
    facts |= {"reason": said.reason, "message": said.message}
    facts["image"] = (made.status.get("artefact") or {}).get("image", "")
    event = events[made.status["phase"]]
    return notices.of(observed.told, tenant, event, run.metadata.uid, facts, timestamp(now))


def _own(run: Run, observed: Observed, now: datetime) -> Plan:
    names = split_namespace(run.metadata.namespace or "")
    if run.status.phase in ENDED:
        return _signed_anew(run, names, observed, _ended(run, observed, now))
    if names is None:
        return _end(run, now, ("Failed", "NoTenant", "A run belongs into the build namespace of a tenant."))
    if run.spec.cancel or not observed.project_exists:
        words = "The run was cancelled." if run.spec.cancel else "The project was deleted."
        return _end(run, now, ("Cancelled", "Cancelled", words), _stop(run, observed))
    report = build_report.read(observed.pod.message) if observed.pod and observed.pod.ended else None
    report = report or observed.reported
    if report is not None:
        return _reported(run, names[0], report, observed, now)
    newest = checks.is_newest(run, observed)
    if not newest.ok:
        return _end(run, now, ("Cancelled", newest.reason, newest.message), _stop(run, observed))
    if observed.job is not None and observed.job.failed:
        return _end(run, now, ("Failed", "PodDied", _died(observed)))
    if observed.missing_secrets:
        words = f"The project names build secrets that do not exist: {', '.join(observed.missing_secrets)}."
        return _end(run, now, ("Failed", "SecretMissing", words), _stop(run, observed))
    fits = definition.is_usable(run, observed)
    if observed.job is None and not fits.ok:
        return _end(run, now, ("Failed", fits.reason, fits.message), _stop(run, observed))
    place = checks.has_place(run, observed)
    if observed.job is None and not place.ok:
        waits = not_ready(place.reason, place.message)
        return Plan(conditions=(waits,), status={"phase": "Pending"}, next_check=LOOK_AGAIN)
    return _build(run, names[0], observed, now)


def _build(run: Run, tenant: str, observed: Observed, now: datetime) -> Plan:
    """Its pod: one that waited for a run like this, else that of a Job; also where one that it took has died."""
    own, takes = checks.own_spare(run, observed), checks.spare_for(run, observed, now)
    by_job = takes is None and (own is None or own.ended)
    started = takes is not None or (observed.pod is not None and observed.pod.started)
    task = _task(run, tenant, observed, now)
    actions = []
    if takes is not None:
        told = {"name": takes.name, "version": takes.version, "task": task.model_dump_json(by_alias=True)}
        actions.append(Action("claim", takes.uid, told, first=True))
    elif by_job and (not started or observed.job is None):
        arguments = {"tenant": tenant, "timeoutS": _timeout_s(run, observed)}
        actions.append(Action("prepare", run.metadata.uid, arguments, first=True))
    if by_job:  # What waits in vain takes memory of the quota: it goes before another pod comes.
        actions += [replace(_remove("Pod", item.name, item.uid, run), first=True) for item in checks.waiting(observed)]
    seen = observed.builder
    if seen is not None and seen.ended and not seen.deleting:
        actions.append(_remove("Pod", builder.NAME, seen.uid, run))
    done = observed.job
    if done is not None and done.complete and not done.deleting and observed.pod is None:
        actions.append(_remove("Job", run.metadata.name, done.uid, run))  # Its words are lost: build again.
    took = takes or own
    return Plan(
        apply=(*_builder(tenant, observed), *(_job(run, tenant, observed, task) if by_job else ())),
        actions=tuple(actions),
        conditions=(not_ready("Building", _words(observed)),),
        status={
            "phase": "Building" if started else "Pending",
            "step": definition.current(run, observed) if started else "start",
            "startedAt": run.status.started_at or timestamp(now),
            **({"spare": took.name} if took is not None else {}),
        },
        next_check=LOOK_AGAIN,
    )


def _builder(tenant: str, observed: Observed) -> tuple[Apply, ...]:
    return (
        Apply(builder.service(tenant), owned=False),
        Apply(builder.pod(tenant, observed.platform.builder_image, TRUST_MAP), create=True, owned=False),
    )


def _job(run: Run, tenant: str, observed: Observed, task: Task) -> tuple[Apply, ...]:
    platform = observed.platform
    work = job.job(run, tenant, platform.platform_image, task, observed.images)
    if scanner.wanted(run.spec.scan, platform.advisories):
        work = scanner.beside(work, platform.scanner_image, platform.advisories)
    return (Apply(work, create=True, owned=False),)


def _words(observed: Observed) -> str:
    pod = observed.pod
    if pod is None or not (pod.started or pod.reason):
        return "The build starts."
    if pod.ended:
        return f"The build's pod died ({pod.reason or 'no reason given'}) and is started again."
    return "The build runs." if pod.started else f"The build's pod waits: {pod.why}."


def _timeout_s(run: Run, observed: Observed) -> int:
    """Of the build, and of the steps where there are any."""
    steps = run.spec.pipeline.timeout_s if run.spec.pipeline.steps else 0
    return min(run.spec.build.timeout_s, observed.platform.max_build_s) + steps


def _task(run: Run, tenant: str, observed: Observed, now: datetime) -> Task:
    platform = observed.platform
    return Task(
        tenant=tenant,
        project=run.spec.project,
        commit=run.spec.commit,
        attempt=run.spec.attempt,
        build=run.spec.build,
        scan=run.spec.scan,
        parameters=run.spec.parameters,
        run=run.metadata.name,
        uid=run.metadata.uid,
        pipeline=definition.without_commands(run.spec.pipeline),
        rights=run.spec.rights,
        remarks=run.spec.remarks,
        origin=run.spec.origin,
        start_at=run.spec.start_at,
        waived=tuple(sorted(waived(observed.waivers, now))[:WAIVED]),
        scanner=scanner.wanted(run.spec.scan, platform.advisories),
        advisories=database(platform.advisories),
        base_findings=observed.base_findings,
        git_url=platform.git_url,
        registry=platform.registry,
        builder=f"tcp://{builder.NAME}:{builder.PORT}",
        timeout_s=_timeout_s(run, observed),
        mirrors=platform.mirrors,
        proxy=platform.proxy,
    )


def _died(observed: Observed) -> str:
    assert observed.job is not None
    why = observed.pod.reason if observed.pod else ""
    if observed.job.failed == "DeadlineExceeded":
        return "The build did not end in time, with all its tries."
    return f"The build's pod died {job.TRIES + 1} times without a result ({why or observed.job.failed}). Push again."


def _reported(run: Run, tenant: str, report: BuildReport, observed: Observed, now: datetime) -> Plan:
    if not report.ok:
        status: dict[str, Any] = {"detected": report.detected or None, "findings": report.findings}
        status |= definition.told(report)
        phase = "Cancelled" if report.reason == "Cancelled" else "Failed"
        # A step that does not end would keep the pod: what it said is in the registry.
        stop = _stop(run, observed) if report.reason in definition.UNENDED else ()
        return _end(run, now, (phase, report.reason or "Failed", report.message), stop, status=status)
    environment = run.spec.environment or observed.environment or next(iter(observed.environments), "")
    if run.spec.promote and environment not in observed.environments:
        words = f"The project goes to the environment {environment!r}, which {tenant} does not have."
        return _end(run, now, ("Failed", "EnvironmentMissing", words))
    artefact = Artefact(
        image=f"{report.image}@{report.digest}",
        commit=run.spec.commit,
        run=run.metadata.name,
        runs_as_root=report.runs_as_root,
    )
    status = {
        "artefact": artefact.wire(),
        "processes": [process.wire() for process in report.processes],
        "releaseCommand": list(report.release_command),
        "detected": report.detected or None,
        "findings": report.findings,
        **definition.told(report),
    }
    if report.image != f"{observed.platform.registry}/{tenant}/{run.spec.project}":
        words = f"The build says that it made an image of {report.image or 'nothing'}, which is not its project's."
        return _end(run, now, ("Failed", "ForeignImage", words))
    if not observed.platform.signing_key:
        return _keyless(run, now)
    signing: tuple[Action, ...] = ()
    if not _is_signed(run, artefact.image, observed):
        # Before anything is applied, so nothing is promoted before the signature lies in the registry.
        claims = attestation.claims(run, tenant, report.findings)
        signing = (_signing("sign", run, artefact.image, observed, claims),)
        status["signedBy"] = observed.platform.signing_key
    built = f"Built {artefact.image.rpartition('@')[2][:19]}"
    if not run.spec.promote:
        words = f"{built}; it goes nowhere by itself."
        return _end(run, now, ("Succeeded", "Built", words), signing, status=status)
    promotion = _promotion(run, tenant, environment, report, artefact, run.spec.app or observed.app or run.spec.project)
    status["promotion"] = f"{namespace(tenant, environment)}/{run.metadata.name}"
    words = f"{built} and promoted to {environment}."
    return _end(run, now, ("Succeeded", "Built", words), signing, status=status, apply=(promotion,))


def _is_signed(run: Run, image: str, observed: Observed) -> bool:
    """Whether the controller has signed this very image for this run, with the key of today."""
    built = run.status.artefact
    return built is not None and built.image == image and run.status.signed_by == observed.platform.signing_key


def _signing(name: str, run: Run, image: str, observed: Observed, claims: dict[str, str]) -> Action:
    arguments = {"image": image, "claims": claims}
    return Action(name, f"{observed.platform.signing_key}:{image}", arguments, first=name == "sign")


def _keyless(run: Run, now: datetime) -> Plan:
    """What was built waits for a key: nothing unsigned is promoted."""
    words = "The key that images are signed with is not there yet: `roost node up`, or `roost upgrade`, makes it."
    running = {"phase": "Building", "step": "sign", "startedAt": run.status.started_at or timestamp(now)}
    waits = not_ready("SigningKeyMissing", words)
    return Plan(conditions=(waits,), status=running, next_check=LOOK_AGAIN)


def _signed_anew(run: Run, names: tuple[str, str] | None, observed: Observed, ended: Plan) -> Plan:
    """What a run built is signed with the key of today, whichever it was then, and where there was none."""
    built, key = run.status.artefact, observed.platform.signing_key
    if names is None or run.status.phase != "Succeeded" or built is None or not key or run.status.signed_by == key:
        return ended
    claims = attestation.claims(run, names[0], run.status.findings)
    again = _signing("sign-again", run, built.image, observed, claims)
    return replace(ended, actions=(*ended.actions, again), status={**ended.status, "signedBy": key})


def _promotion(run: Run, tenant: str, environment: str, report: BuildReport, artefact: Artefact, app: str) -> Apply:
    spec = PromotionSpec(
        app=app,
        artefact=artefact,
        processes=report.processes,
        release_command=report.release_command,
        run=run.metadata.name,
        sequence=run.spec.order,
        author=run.spec.author,
        preview=run.spec.preview,
    )
    manifest = Promotion.manifest(
        run.metadata.name,
        spec,
        namespace(tenant, environment),
        labels={TENANT: tenant, PROJECT: run.spec.project, RUN: run.metadata.name, MANAGED_BY: "roost"},
        annotations={AUTHOR: run.spec.author},
    )
    return Apply(manifest, identity=DEPLOYER, create=True, owned=False)


def _end(
    run: Run,
    now: datetime,
    how: tuple[str, str, str],
    actions: tuple[Action, ...] = (),
    *,
    status: dict[str, Any] | None = None,
    apply: tuple[Apply, ...] = (),
) -> Plan:
    """The end. `how`: phase, reason, message."""
    phase, reason, message = how
    condition = ready(reason, message) if phase == "Succeeded" else not_ready(reason, message)
    return Plan(
        apply=apply,
        actions=actions,
        conditions=(condition,),
        status={
            "phase": phase,
            "step": None,
            "startedAt": run.status.started_at or timestamp(now),
            "finishedAt": timestamp(now),
            **(status or {}),
        },
        next_check=timedelta(seconds=1),
    )


def _remove(kind: str, name: str, uid: str, run: Run) -> Action:
    where = {"kind": kind, "name": name, "uid": uid, "namespace": run.metadata.namespace or ""}
    return Action("remove", f"{kind}/{name}/{uid}", where)


def _stop(run: Run, observed: Observed) -> tuple[Action, ...]:
    """End the Job, or the pod that had waited; who builds hears of it and stops the build."""
    own = checks.own_spare(run, observed)
    stopped = [] if own is None or own.ended or own.deleting else [_remove("Pod", own.name, own.uid, run)]
    if observed.job is not None and not observed.job.deleting:
        stopped.append(Action("stop", observed.job.uid))
    return tuple(stopped)


def _ended(run: Run, observed: Observed, now: datetime) -> Plan:
    """Nothing changes any more; the last run that ended looks after what waits for the next one."""
    said = next((item for item in run.status.conditions if item.type == READY), None)
    conditions = (Condition(READY, said.status, said.reason, said.message),) if said else ()
    if run.status.phase == "Succeeded" and said is not None and said.status != "True":
        conditions = (ready("Built", "It was built."),)  # What went wrong afterwards, as signing anew, is over.
    place = split_namespace(run.metadata.namespace or "")
    if rerun.wanted(run) and place is not None:
        again = Apply(rerun.manifest(run, place[0], observed.project_uid), create=True, owned=False)
        told = {"reruns": run.spec.rerun.number, "rerun": rerun.name(run) if observed.project_uid else None}
        applied = (again,) if observed.project_uid else ()  # With its project gone, nothing runs any more.
        return Plan(apply=applied, conditions=conditions, status=told, next_check=timedelta(seconds=1))
    ended = datetime.fromisoformat((run.status.finished_at or timestamp(now)).replace("Z", "+00:00"))
    parts = [_log_goes(run, observed, ended, now)]
    if run.status.finished_at == observed.last_ended and not observed.open_runs:
        parts += [_builder_waits(run, observed, ended, now), _spare_waits(run, observed, ended, now)]
    return Plan(
        conditions=conditions,
        actions=tuple(action for part in parts for action in part[0]),
        next_check=min((part[1] for part in parts if part[1] is not None), default=None),
    )


Part = tuple[tuple[Action, ...], timedelta | None]  # What is to be done, and when is looked again.


def _log_goes(run: Run, observed: Observed, ended: datetime, now: datetime) -> Part:
    """A pod that had waited stays as long as a Job's, for its log."""
    own = checks.own_spare(run, observed)
    if own is None or own.deleting:
        return (), None
    left = ended + timedelta(seconds=job.KEEP_S) - now
    return (
        ((), left + timedelta(seconds=1)) if left > timedelta(0) else ((_remove("Pod", own.name, own.uid, run),), None)
    )


def _builder_waits(run: Run, observed: Observed, ended: datetime, now: datetime) -> Part:
    """The builder goes when it has been idle."""
    seen = observed.builder
    if seen is None or seen.deleting:
        return (), None
    left = ended + timedelta(seconds=observed.platform.builder_idle_s) - now
    if left > timedelta(0) and not seen.ended and seen.image == observed.platform.builder_image:
        return (), left + timedelta(seconds=1)
    return (_remove("Pod", builder.NAME, seen.uid, run),), None


def _spare_waits(run: Run, observed: Observed, ended: datetime, now: datetime) -> Part:
    """One pod waits for the next run of the project that ran last; those that none could take go."""
    platform, place = observed.platform, split_namespace(run.metadata.namespace or "")
    left = ended + timedelta(seconds=platform.spare_s) - now
    wanted = bool(observed.project_uid) and spare.serves(run.spec) and left > timedelta(0) and place is not None
    kept = checks.of_use(run, observed, now)[:1] if wanted else ()
    gone = tuple(_remove("Pod", seen.name, seen.uid, run) for seen in checks.waiting(observed) if seen not in kept)
    if not wanted or place is None:
        return gone, None
    if kept and kept[0].running:
        return gone, left + timedelta(seconds=1)
    after = ended + SPARE_AFTER - now
    if not kept and after > timedelta(0):
        return gone, after  # The new version starts at this moment, and needs the processor more.
    if not kept and any(seen.name == spare.name(run) for seen in observed.spares):
        return gone, LOOK_AGAIN  # Its name is free when the one before is gone.
    made = spare.pod(run, place[0], observed.project_uid, platform, observed.projects)
    return (*gone, Action("spare", spare.name(run), {"pod": made, "lastsS": spare.longest_s(platform)})), SPARE_AGAIN
