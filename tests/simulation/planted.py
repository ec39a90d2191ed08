"""Bugs that controllers are known for, each planted into the kernel or the toy. The simulation must find every one.

Each takes pytest's MonkeyPatch and breaks one thing. Names say what the controller then does.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from pytest import MonkeyPatch

from roost.kernel import applied, lease, outcome, reconciler, writer
from roost.kernel.controller import Controller
from roost.kernel.informer import Informer
from roost.kernel.outcome import Judgement
from roost.kernel.queue import Queue
from roost.kernel.reconciler import Reconciler, Result
from roost.kernel.runtime import Runtime
from roost.kernel.store import Store
from roost.kernel.writer import Writer
from roost.kube.client import Client
from roost.kube.errors import NotFound, RefusedError, RetryableError
from roost.model.kinds.app import App
from roost.model.plan import Plan
from tests.integration.kernel import toy

Bug = Callable[[MonkeyPatch], None]


def misses_what_happens_during_a_look(patch: MonkeyPatch) -> None:
    """An event about an object that is being looked at is taken as dealt with."""
    add = Queue.add

    def missing(self: Queue[Any], key: Any) -> None:
        if key not in self._working:
            add(self, key)

    patch.setattr(Queue, "add", missing)


def never_tries_again(patch: MonkeyPatch) -> None:
    patch.setattr(Queue, "retry", lambda self, key, least_s=0.0: 0.0)


def takes_a_conflict_for_done(patch: MonkeyPatch) -> None:
    """And every other refusal that would pass."""
    judge = outcome.judge

    def content(error: Exception, failures: int) -> Judgement:
        passing = isinstance(error, (RetryableError, RefusedError))
        return Judgement(None, retry=False) if passing else judge(error, failures)

    patch.setattr(reconciler, "judge", content)


def overlooks_deletions_in_a_list(patch: MonkeyPatch) -> None:
    patch.setattr(Store, "retain", lambda self, standing, version: ())


def goes_on_after_410_without_a_list(patch: MonkeyPatch) -> None:
    listing = Informer._list

    async def skipping(self: Informer) -> None:
        if not self.synced.is_set():
            await listing(self)
            return
        page = await self._client.page(self.scope.api_version, self.scope.kind, self.scope.selection, limit=1)
        self._version = page.version

    patch.setattr(Informer, "_list", skipping)


def watches_from_now_instead_of_from_the_list(patch: MonkeyPatch) -> None:
    watch = Client.watch

    def late(
        self: Client, api_version: str, kind: str, selection: Any, version: str = "", silence_s: float = 9.0
    ) -> Any:
        return watch(self, api_version, kind, selection, "", silence_s)

    patch.setattr(Client, "watch", late)


def never_notices_a_dead_stream(patch: MonkeyPatch) -> None:
    begin = Runtime.__init__

    def patient(self: Runtime, client: Any, capabilities: Any, settings: Any, clock: Any = None) -> None:
        begin(self, client, capabilities, settings, clock, silence_s=10.0**9)

    patch.setattr(Runtime, "__init__", patient)


def looks_at_its_own_kind_only(patch: MonkeyPatch) -> None:
    follow = Controller.follow

    def deaf(self: Controller, informer: Informer, watch: Any, origin: object = None) -> None:
        if watch is None:
            follow(self, informer, watch, origin)

    patch.setattr(Controller, "follow", deaf)


def forgets_what_a_crash_kept_out_of_the_inventory(patch: MonkeyPatch) -> None:
    patch.setattr(Writer, "_strays", lambda self, known: [])


def deletes_by_name(patch: MonkeyPatch) -> None:
    delete = Client.delete

    async def by_name(self: Client, target: Any, uid: str = "", **more: Any) -> bool:
        return await delete(self, target, **more)

    patch.setattr(Client, "delete", by_name)


def takes_over_what_it_finds(patch: MonkeyPatch) -> None:
    patch.setattr(Writer, "_ours", lambda self, live: None)


def overwrites_what_came_meanwhile(patch: MonkeyPatch) -> None:
    """Applies by name and by force: what appears between the look and the write is taken over."""
    apply = Client.apply

    async def forced(self: Client, manifest: Any, manager: str, force: bool = True, dry_run: bool = False) -> Any:
        meta = {key: value for key, value in manifest["metadata"].items() if key != "uid"}
        return await apply(self, {**manifest, "metadata": meta}, manager, True, dry_run)

    patch.setattr(Client, "apply", forced)


def lets_go_before_its_children_are_gone(patch: MonkeyPatch) -> None:
    async def hasty(self: Reconciler, item: Any, made: Writer) -> Result:
        rest = [name for name in item["metadata"].get("finalizers") or () if name != self.finalizer]
        await self._patch_finalizers(item, rest)
        return Result()

    patch.setattr(Reconciler, "_finalize", hasty)


def holds_on_only_after_its_first_write(patch: MonkeyPatch) -> None:
    converge = Reconciler._converge

    async def late(self: Reconciler, item: Any, made: Writer) -> Result:
        if self.finalizer in (item["metadata"].get("finalizers") or ()):
            return await converge(self, item, made)
        await made.apply((await self._plan(item)).apply)
        return await converge(self, item, made)

    patch.setattr(Reconciler, "_converge", late)


def overlooks_that_its_object_is_being_deleted(patch: MonkeyPatch) -> None:
    async def converging(self: Reconciler, item: Any, made: Writer) -> Result:
        return await self._converge(item, made)

    patch.setattr(Reconciler, "_finalize", converging)


def writes_its_status_at_every_look(patch: MonkeyPatch) -> None:
    difference = reconciler.difference
    patch.setattr(
        reconciler, "difference", lambda old, wanted: {**difference(old, wanted), "instances": _other(old, wanted)}
    )


def _other(old: Any, wanted: Any) -> int:
    return int(old.get("instances") or 0) + 1


def plans_by_the_clock(patch: MonkeyPatch) -> None:
    """The same content has other bytes at every look."""
    plan = toy.plan

    def restless(app: App, observed: toy.Observed, now: datetime) -> Plan:
        made = plan(app, observed, now)
        for item in made.apply:
            item.manifest["metadata"]["labels"]["test/at"] = str(int(now.timestamp()))
        return made

    patch.setattr(toy, "plan", restless)


def writes_back_the_object_as_it_saw_it(patch: MonkeyPatch) -> None:
    """With its status it writes the spec that it read: what people changed meanwhile is lost."""
    status = Reconciler._write_status

    async def clobbering(self: Reconciler, item: Any, *rest: Any) -> None:
        await status(self, item, *rest)
        if item.get("spec"):
            try:
                await self._means.client.patch(item, {"spec": item["spec"]}, "toy")
            except NotFound:
                return

    patch.setattr(Reconciler, "_write_status", clobbering)


def dies_of_an_error(patch: MonkeyPatch) -> None:
    async def dying(self: Reconciler, item: Any, made: Writer, error: Exception, failures: int) -> Result:
        raise error

    patch.setattr(Reconciler, "_fail", dying)


def takes_what_stands_for_right(patch: MonkeyPatch) -> None:
    patch.setattr(Writer, "_unchanged", lambda self, live, dressed: True)


def overlooks_what_others_changed(patch: MonkeyPatch) -> None:
    patch.setattr(applied, "_covers", lambda live, wanted: True)


def prunes_whatever_looks_like_its_own(patch: MonkeyPatch) -> None:
    def by_label(self: Writer, known: Any) -> Any:
        kept = {entry["uid"] for entry in self.inventory}
        found = [
            item
            for informer in self._means.reader._informers[("v1", "ConfigMap")]
            for item in informer.store.list(self._owner.namespace)
            if item["metadata"]["name"].startswith(self._owner.name)
        ]
        return [writer._entry(item, "deployer") for item in found if item["metadata"]["uid"] not in kept]

    patch.setattr(Writer, "_strays", by_label)


def leads_on_after_its_lease(patch: MonkeyPatch) -> None:
    patch.setattr(lease.LeaseTimes, "fence_s", property(lambda self: self.duration_s * 2.0))


def takes_a_lease_that_another_holds(patch: MonkeyPatch) -> None:
    """It waits for no end of another's lease."""
    get = Client.get

    async def unheld(self: Client, api_version: str, kind: str, name: str, namespace: str | None = None) -> Any:
        found = await get(self, api_version, kind, name, namespace)
        if found is not None and kind == "Lease":
            found["spec"]["holderIdentity"] = ""
        return found

    patch.setattr(Client, "get", unheld)


BUGS: tuple[Bug, ...] = (
    misses_what_happens_during_a_look,
    never_tries_again,
    takes_a_conflict_for_done,
    overlooks_deletions_in_a_list,
    goes_on_after_410_without_a_list,
    watches_from_now_instead_of_from_the_list,
    never_notices_a_dead_stream,
    looks_at_its_own_kind_only,
    forgets_what_a_crash_kept_out_of_the_inventory,
    deletes_by_name,
    takes_over_what_it_finds,
    overwrites_what_came_meanwhile,
    lets_go_before_its_children_are_gone,
    holds_on_only_after_its_first_write,
    overlooks_that_its_object_is_being_deleted,
    writes_its_status_at_every_look,
    plans_by_the_clock,
    writes_back_the_object_as_it_saw_it,
    dies_of_an_error,
    takes_what_stands_for_right,
    overlooks_what_others_changed,
    prunes_whatever_looks_like_its_own,
    leads_on_after_its_lease,
    takes_a_lease_that_another_holds,
)
