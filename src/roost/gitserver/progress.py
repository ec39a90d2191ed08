"""Tells a pusher how their run goes: the lines that the build prints, then the roll-out, then how it ended.

`follow` only reads. Whoever listens may leave at any time; nothing depends on it.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from roost.gitserver.cluster import Cluster
from roost.kube.errors import KubeError
from roost.model.kinds.app import App
from roost.model.kinds.delivery import Promotion, Run
from roost.model.resource import Resource

POLL_S = 0.4
ROLL_OUT_S = 1200.0
HAND_OVER_S = 15.0  # So long an old version that takes its time to end keeps a pusher waiting.
GATES = ("AwaitingApproval", "AuthorsUnknown", "Frozen")
SPARE_S = 900.0  # Beside the time that the build may take: waiting in the queue, the builder's start.


@dataclass(frozen=True)
class Outcome:
    """How it ended. `message` is the URL's line, or the reason, of one line or more; `waiting`: the environment's gates
    hold it back; `built`: it was to be built only; `shown`: the lines after the first stand in the log before.
    """

    ok: bool
    message: str
    waiting: bool = False
    built: bool = False
    shown: bool = False

    @property
    def title(self) -> str:
        """The one word before the message."""
        if self.built:
            return "Built"
        return "Waiting" if self.waiting else "Live" if self.ok else "Failed"


def _said(resource: Resource) -> str:
    """The message of the Ready condition, or nothing."""
    conditions = getattr(getattr(resource, "status", None), "conditions", ())
    return next((item.message for item in conditions if item.type == "Ready"), "")


def _longest_s(run: Run) -> int:
    """How long it may take from its start, in seconds."""
    return run.spec.build.timeout_s + (run.spec.pipeline.timeout_s if run.spec.pipeline.steps else 0)


class Follower:
    """Follows one Run of a tenant to its end."""

    def __init__(self, cluster: Cluster, tenant: str, run: str, poll_s: float = POLL_S) -> None:
        self._cluster = cluster
        self._poll_s = poll_s
        self._tenant = tenant
        self._run = run
        self._given: dict[str, int] = {}  # Lines of each pod that were passed on.
        self._spare: tuple[str, ...] = ()  # The pod that had waited and which the run took.
        self._last = ""
        self._live_since: float | None = None

    async def follow(self) -> AsyncIterator[str | Outcome]:
        """Lines for the pusher, and one Outcome at the end."""
        run: Run | None = None
        begun = asyncio.get_running_loop().time()
        while run is None or run.status.finished_at is None:
            try:
                run = await self._cluster.run(self._tenant, self._run)
                if run is None:
                    yield Outcome(False, f"the run {self._run} was removed")
                    return
                self._spare = (run.status.spare,) if run.status.spare else ()
                if run.status.phase == "Pending":
                    for line in self._news(_said(run)):
                        yield line
                async for line in self._lines():
                    yield line
            except KubeError as error:
                for line in self._news(f"Kubernetes does not answer ({error}). The run goes on; so does this."):
                    yield line
            if run is not None and asyncio.get_running_loop().time() - begun > _longest_s(run) + SPARE_S:
                yield Outcome(False, f"the run {self._run} has not ended yet: see it with `roost runs`")
                return
            await asyncio.sleep(self._poll_s)
        if run.status.phase != "Succeeded":
            yield Outcome(False, _said(run) or f"the run {self._run} ended as {run.status.phase}", shown=True)
            return
        if not run.spec.promote:
            yield Outcome(True, _said(run) or "built", built=True)
            return
        async for item in self._roll_out(run):
            yield item

    def _news(self, message: str) -> list[str]:
        if not message or message == self._last:
            return []
        self._last = message
        return [f"       {message}"]

    async def _lines(self) -> AsyncIterator[str]:
        """What the run's pods printed that was not passed on yet; stays while one of them prints."""
        for pod in await self._cluster.pods(self._tenant, self._run, *self._spare):
            if self._given.get(pod) == -1:
                continue
            seen = 0
            async for line in self._cluster.log(self._tenant, pod):
                seen += 1
                if seen > self._given.get(pod, 0):
                    self._given[pod] = seen
                    yield line
            self._given[pod] = -1

    async def _roll_out(self, run: Run) -> AsyncIterator[str | Outcome]:
        begun = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() - begun < ROLL_OUT_S:
            try:
                outcome, line = await self._look(run)
            except KubeError as error:
                outcome, line = None, f"Kubernetes does not answer ({error})."
            if outcome is not None:
                yield outcome
                return
            for news in self._news(line):
                yield news
            await asyncio.sleep(self._poll_s)
            if run.status.promotion is None:
                run = await self._cluster.run(self._tenant, self._run) or run
        yield Outcome(False, "the new version does not answer yet: see it with `roost status`")

    async def _look(self, run: Run) -> tuple[Outcome | None, str]:
        """An Outcome, or what is waited for."""
        space, _, name = (run.status.promotion or "").partition("/")
        promotion = await self._cluster.promotion(space, name) if name else None
        if promotion is None:
            return None, ""
        early = _promoted(promotion)
        if early is not None or promotion.status.release is None:
            return early, _said(promotion)
        app = await self._cluster.app(space, promotion.spec.app)
        release = await self._cluster.release(space, promotion.status.release)
        if app is None or release is None:
            return None, ""
        phase = release.status.phase
        if phase == "Live" and self._handed_over(app):
            return Outcome(True, f"{app.status.url or promotion.spec.app} serves {release.metadata.name}"), ""
        if phase in ("Failed", "Aborted"):
            return Outcome(False, _said(release) or _said(app) or f"{release.metadata.name} does not start"), ""
        if phase == "Superseded":
            return Outcome(True, "a newer version took its place before it went live"), ""
        return None, _said(app)

    def _handed_over(self, app: App) -> bool:
        """Whether the version that went live is the only one that answers."""
        now = asyncio.get_running_loop().time()
        self._live_since = self._live_since or now
        ready = any(item.type == "Ready" and item.status == "True" for item in app.status.conditions)
        return ready or now - self._live_since > HAND_OVER_S


def _promoted(promotion: Promotion) -> Outcome | None:
    if promotion.status.phase == "Superseded":
        return Outcome(True, "a newer version took its place before it went live")
    if promotion.status.phase == "Refused":
        return Outcome(False, _said(promotion) or "the environment refused the new version")
    for item in promotion.status.conditions:  # It waits for a person: nobody should wait for that at a terminal.
        if item.type == "Ready" and item.reason in ("Held", *GATES):
            return Outcome(item.reason in GATES, _said(promotion), waiting=item.reason in GATES)
    return None
