"""THE loop, for one object of one capability:

    read object -> gone? done -> observe (reads only) -> plan (pure) -> actions that are first
    -> apply (server-side, in order, owned) -> delete what the plan dropped -> other actions
    -> conditions from the plan or the error -> one status patch -> look again at plan.next_check

Level-based: nothing here depends on which event came. `controller` calls it for every key that its queue hands out.
"""

import asyncio
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import structlog

from roost.kernel.action import ActionContext
from roost.kernel.applied import Owner
from roost.kernel.capability import Capability, load
from roost.kernel.clock import Clock
from roost.kernel.lease import LeadershipLost
from roost.kernel.outcome import Judgement, conditions_after, judge
from roost.kernel.writer import Inventory, Means, Writer
from roost.kube.errors import NotFound
from roost.kube.reader import Object
from roost.model.conditions import READY, Condition, find, merge
from roost.model.names import GROUP, REQUEST_ID
from roost.model.plan import Plan
from roost.model.resource import Resource
from roost.settings import Settings

DELETION_CHECK_S = 2.0
LONGEST_PASS_S = 120.0  # What hangs is abandoned and tried again: it holds up nobody else.


@dataclass(frozen=True)
class Result:
    """after_s: look again then (None: at the next resync). judgement: what an error meant, if there was one."""

    after_s: float | None = None
    judgement: Judgement | None = None


@dataclass(frozen=True)
class Parts:
    """The parts of a capability, resolved when first needed."""

    capability: Capability

    @cached_property
    def resource(self) -> type[Resource]:
        """The kind."""
        return load(self.capability.resource)  # type: ignore[no-any-return, arg-type]

    @cached_property
    def observe(self) -> Any:
        """The reads, or None."""
        return load(self.capability.observe) if self.capability.observe else None

    @cached_property
    def wants_settings(self) -> bool:
        """Whether the reads depend on settings."""
        return self.observe is not None and len(inspect.signature(self.observe).parameters) > 2

    @cached_property
    def plan(self) -> Any:
        """The pure function."""
        return load(self.capability.plan) if self.capability.plan else None

    @cached_property
    def actions(self) -> Mapping[str, Any]:
        """Effects outside, by name."""
        return load(self.capability.actions) if self.capability.actions else {}

    @cached_property
    def finalize(self) -> Any:
        """What undoes them, or None."""
        return load(self.capability.finalize) if self.capability.finalize else None


class Reconciler:
    """Brings objects of one kind to where their spec says. `origin` marks its own status writes in the cache."""

    def __init__(self, parts: Parts, means: Means, settings: Settings, clock: Clock) -> None:
        self._parts = parts
        self._means = means
        self._settings = settings
        self._clock = clock
        self._capability = parts.capability
        self.finalizer = f"{GROUP}/{parts.capability.name}"
        self.origin: object = self
        self._log = structlog.get_logger("roost.kernel.reconciler")

    async def reconcile(self, item: Object, failures: int) -> Result:
        """One pass. LeadershipLost ends the process; every other error becomes a condition and a Result."""
        writer = Writer(self._means, self._capability.name, Owner.of(item), _request_id(item))
        try:
            async with asyncio.timeout(LONGEST_PASS_S):
                if item["metadata"].get("deletionTimestamp"):
                    return await self._finalize(item, writer)
                return await self._converge(item, writer)
        except LeadershipLost:
            raise
        except Exception as error:  # noqa: BLE001  The one place where every error becomes a condition.
            return await self._fail(item, writer, error, failures)

    async def _converge(self, item: Object, writer: Writer) -> Result:
        if self._capability.finalizer and self.finalizer not in (item["metadata"].get("finalizers") or ()):
            item = await self._patch_finalizers(item, [*(item["metadata"].get("finalizers") or ()), self.finalizer])
        plan = await self._plan(item)
        await self._act(item, plan, first=True)
        await writer.apply(plan.apply)
        rest = await self._prune(item, writer, plan)
        await self._act(item, plan, first=False)
        await self._write_status(item, plan.conditions, [*writer.inventory, *rest], plan.status)
        after_s = plan.next_check.total_seconds() if plan.next_check is not None else None
        return Result(DELETION_CHECK_S if rest and not plan.hold else after_s)

    async def _plan(self, item: Object) -> Plan:
        resource = self._parts.resource.parse(item)
        observed = None
        if self._parts.observe is not None:
            more = (self._settings,) if self._parts.wants_settings else ()
            observed = await self._parts.observe(self._means.reader, resource, *more)
        plan: Plan = self._parts.plan(resource, observed, self._clock.now())
        return plan

    async def _prune(self, item: Object, writer: Writer, plan: Plan) -> Inventory:
        """What still stands of what the plan dropped."""
        if plan.hold:
            kept = {entry["uid"] for entry in writer.inventory}
            return [entry for entry in _inventory(item) if entry["uid"] not in kept]
        return await writer.prune(_inventory(item))

    async def _act(self, item: Object, plan: Plan, first: bool) -> None:
        for action in [action for action in plan.actions if action.first == first]:
            self._means.fence.check()
            await self._parts.actions[action.name](action, self._context(item))

    async def _finalize(self, item: Object, writer: Writer) -> Result:
        """Prune everything, undo what is outside, let the object go."""
        finalizers: Sequence[str] = item["metadata"].get("finalizers") or ()
        if self.finalizer not in finalizers:
            return Result()
        standing = await writer.prune(_inventory(item))
        if standing:
            names = ", ".join(f"{entry['kind']} {entry['name']}" for entry in standing[:5])
            deleting = Condition(READY, "False", "Deleting", f"Waiting until these are gone: {names}.")
            conditions = conditions_after((item.get("status") or {}).get("conditions") or (), deleting)
            await self._write_status(item, conditions, standing, {})
            return Result(DELETION_CHECK_S)
        if self._parts.finalize is not None:
            self._means.fence.check()
            await self._parts.finalize(self._parts.resource.parse(item), self._context(item))
        await self._patch_finalizers(item, [name for name in finalizers if name != self.finalizer])
        return Result()

    async def _patch_finalizers(self, item: Object, finalizers: Sequence[str]) -> Object:
        self._means.fence.check()
        meta = {"resourceVersion": item["metadata"]["resourceVersion"], "finalizers": list(finalizers)}
        result = await self._means.client.patch(item, {"metadata": meta}, self._capability.manager)
        if finalizers:
            self._means.reader.note(result, self.origin)
        return result

    async def _fail(self, item: Object, writer: Writer, error: Exception, failures: int) -> Result:
        judgement = judge(error, failures)
        if judgement.unexpected:
            self._log.error("Reconciliation failed unexpectedly.", exc_info=error)
        else:
            self._log.info("Reconciliation stopped.", error=str(error), type=type(error).__name__)
        old = item.get("status") or {}
        kept = {entry["uid"] for entry in writer.inventory}
        inventory = [*writer.inventory, *(entry for entry in _inventory(item) if entry["uid"] not in kept)]
        conditions: tuple[Condition, ...] | None = None
        if judgement.condition is not None:
            conditions = conditions_after(old.get("conditions") or (), judgement.condition)
        try:
            await self._write_status(item, conditions, inventory, {})
        except LeadershipLost:
            raise
        except NotFound:
            return Result()  # The object itself is gone; the cache shows it soon.
        except Exception as second:  # noqa: BLE001  The first error decides what happens next; both are logged.
            self._log.warning("The status could not be written.", error=str(second))
            return Result(judgement=Judgement(None))
        return Result(judgement.after_s, judgement)

    async def _write_status(
        self, item: Object, conditions: Sequence[Condition] | None, inventory: Inventory, fields: Mapping[str, Any]
    ) -> None:
        """One patch of what differs, or none. Fields that are None are removed; conditions None: they stay."""
        old = item.get("status") or {}
        generation = int(item["metadata"].get("generation") or 0)
        wanted: dict[str, Any] = {**fields, "inventory": inventory or None}
        if conditions is not None:
            wanted["conditions"] = merge(old.get("conditions") or (), conditions, generation, self._clock.now())
            wanted["observedGeneration"] = generation
        changed = difference(old, {key: _plain(value) for key, value in wanted.items()})
        if not changed:
            return
        self._means.fence.check()
        result = await self._means.client.patch_status(item, changed, self._capability.manager)
        self._means.reader.note(result, self.origin)
        self._log.info("status", fields=sorted(changed))
        await self._tell(result, old, conditions or ())

    async def _tell(self, item: Object, old: Mapping[str, Any], conditions: Sequence[Condition]) -> None:
        """An Event when Ready became another."""
        before = find(old.get("conditions") or (), READY) or {}
        now = next((condition for condition in conditions if condition.type == READY), None)
        if now is not None and (now.status, now.reason) != (before.get("status"), before.get("reason")):
            await self._means.recorder.tell(item, now, self._capability.name, self._clock.now())

    def _context(self, item: Object) -> ActionContext:
        means = self._means
        return ActionContext(
            item, means.client, means.reader, self._settings, _request_id(item), note=means.reader.note
        )


def _request_id(item: Object) -> str:
    return str((item["metadata"].get("annotations") or {}).get(REQUEST_ID, ""))


def _inventory(item: Object) -> Inventory:
    return list((item.get("status") or {}).get("inventory") or ())


def difference(old: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The merge patch that brings the fields of `wanted` about; None removes, dicts below are replaced as a whole."""
    changed: dict[str, Any] = {}
    for key, value in wanted.items():
        before = old.get(key)
        if value == before:
            continue
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            inner = difference(before, {**dict.fromkeys(before), **value})
            changed |= {key: inner} if inner else {}
        else:
            changed[key] = value
    return changed


def _plain(value: Any) -> Any:
    """JSON's own types; fields that are None are left out."""
    if isinstance(value, (str, int)):
        return value
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items() if entry is not None}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    return value
