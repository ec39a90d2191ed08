"""Leader election by a Lease: one process reconciles, the others stand by.

The leader renews every `renew_s` and stops itself well before its Lease ends (self-fencing: every write asks
`Fence.check`), so that a process that was stopped, cut off or starved never writes beside its successor. Expiry is
measured by the watcher's own steady clock from the moment it saw the last renewal: clocks of two machines are never
compared. A graceful end gives the Lease back at once.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from roost.kernel import metrics
from roost.kernel.clock import Clock
from roost.kube.client import Client
from roost.kube.errors import Conflict, KubeError, NotFound
from roost.kube.reader import Object

API = "coordination.k8s.io/v1"


class LeadershipLost(Exception):
    """This process may no longer write."""


class Fence:
    """Says until when this process may write; `deadline` is on the event loop's clock."""

    def __init__(self) -> None:
        self.deadline = 0.0

    def check(self) -> None:
        """LeadershipLost once the Lease may be somebody else's."""
        if asyncio.get_running_loop().time() >= self.deadline:
            raise LeadershipLost("This process no longer leads.")


class Open(Fence):
    """The fence of a process that is alone, as in tests."""

    def check(self) -> None:
        """Nothing stands in the way."""


@dataclass(frozen=True)
class LeaseTimes:
    """Seconds: how long a Lease lasts, and how often it is renewed."""

    duration_s: float = 12.0
    renew_s: float = 3.0

    @property
    def fence_s(self) -> float:
        """How long after a renewal was begun the leader may write."""
        return self.duration_s * 0.75


class Election:
    """One candidate for one Lease."""

    def __init__(self, client: Client, namespace: str, name: str, identity: str, clock: Clock) -> None:
        self._client = client
        self._place = {"apiVersion": API, "kind": "Lease", "metadata": {"name": name, "namespace": namespace}}
        self._identity = identity
        self._clock = clock
        self._seen: tuple[Any, ...] = ()
        self._seen_at = 0.0
        self._log = structlog.get_logger("roost.kernel.lease").bind(identity=identity)

    async def run(self, work: Callable[[Fence], Awaitable[None]], times: LeaseTimes) -> None:
        """Wait for the Lease, then do `work` while holding it, until cancelled. LeadershipLost when it was lost."""
        fence = Fence()
        lease = await self._acquire(times, fence)
        self._log.info("This process leads.")
        metrics.LEADER.set(1)
        working = asyncio.ensure_future(work(fence))
        renewing = asyncio.ensure_future(self._renew(lease, times, fence))
        try:
            await asyncio.wait({working, renewing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            metrics.LEADER.set(0)
            for task in (working, renewing):
                task.cancel()
            await asyncio.gather(working, renewing, return_exceptions=True)
            if fence.deadline > asyncio.get_running_loop().time():
                await self._release()
        for task in (renewing, working):
            if not task.cancelled() and (error := task.exception()) is not None:
                raise _single(error)

    async def _acquire(self, times: LeaseTimes, fence: Fence) -> Object:
        while True:
            begun = asyncio.get_running_loop().time()
            wait_s = times.renew_s
            try:
                lease, wait_s = await self._try(times)
                if lease is not None:
                    fence.deadline = begun + times.fence_s
                    return lease
            except KubeError as error:
                self._log.warning("The Lease cannot be had now.", error=str(error))
            await asyncio.sleep(wait_s * (0.9 + self._clock.chance() / 5))

    async def _try(self, times: LeaseTimes) -> tuple[Object | None, float]:
        """The Lease when it is ours now, else None; and the seconds until another try makes sense."""
        meta = self._place["metadata"]
        assert isinstance(meta, dict)
        lease = await self._client.get(API, "Lease", meta["name"], meta["namespace"])
        if lease is None:
            made = {**self._place, "spec": self._spec({}, times, fresh=True)}
            try:
                return await self._client.create(made, self._identity), 0.0
            except Conflict:
                return None, 0.2
        spec = lease.get("spec") or {}
        holder = spec.get("holderIdentity") or ""
        now = asyncio.get_running_loop().time()
        seen = (holder, spec.get("renewTime"), spec.get("leaseTransitions"))
        if seen != self._seen:
            self._seen, self._seen_at = seen, now
        left_s = self._seen_at + float(spec.get("leaseDurationSeconds") or times.duration_s) - now
        if holder not in ("", self._identity) and left_s > 0:
            return None, min(left_s + 0.05, times.renew_s / 2)
        try:
            return await self._client.replace({**lease, "spec": self._spec(spec, times, holder != self._identity)}), 0.0
        except (Conflict, NotFound):
            return None, 0.2

    async def _renew(self, lease: Object, times: LeaseTimes, fence: Fence) -> None:
        while True:
            await asyncio.sleep(times.renew_s * (0.8 + self._clock.chance() / 5))
            fence.check()
            begun = asyncio.get_running_loop().time()
            try:
                async with asyncio.timeout_at(fence.deadline):
                    lease = await self._client.replace({**lease, "spec": self._spec(lease["spec"], times)})
                fence.deadline = begun + times.fence_s
            except Conflict:
                lease = await self._reread(fence)
            except TimeoutError as error:
                raise LeadershipLost("The Lease could not be renewed in time.") from error
            except KubeError as error:
                self._log.warning("The Lease was not renewed; trying again.", error=str(error))
                await asyncio.sleep(min(0.5, times.renew_s / 4))

    async def _reread(self, fence: Fence) -> Object:
        """After a conflict: the Lease as it stands, when it is still ours (an answer of ours was lost)."""
        meta = self._place["metadata"]
        assert isinstance(meta, dict)
        lease = await self._client.get(API, "Lease", meta["name"], meta["namespace"])
        if lease is None or (lease.get("spec") or {}).get("holderIdentity") != self._identity:
            fence.deadline = 0.0
            raise LeadershipLost("Another process took the Lease.")
        return lease

    async def _release(self) -> None:
        with suppress(KubeError, TimeoutError, LeadershipLost):
            async with asyncio.timeout(2.0):
                lease = await self._reread(Fence())
                await self._client.replace({**lease, "spec": {**lease["spec"], "holderIdentity": ""}})

    def _spec(self, old: Any, times: LeaseTimes, fresh: bool = False) -> dict[str, Any]:
        now = _micro(self._clock.now())
        spec = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": max(1, round(times.duration_s)),
            "acquireTime": now if fresh else old.get("acquireTime", now),
            "renewTime": now,
            "leaseTransitions": int(old.get("leaseTransitions") or 0) + (1 if fresh and old else 0),
        }
        return spec


def _single(error: BaseException) -> BaseException:
    """LeadershipLost itself where it came out of a group of tasks."""
    if isinstance(error, BaseExceptionGroup) and error.subgroup(LeadershipLost) is not None:
        return LeadershipLost("This process no longer leads.")
    return error


def _micro(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
