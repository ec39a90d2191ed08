"""Plan: what a reconciler wants, as data. Made by the pure `plan.py` of each capability, carried out by the kernel."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from roost.model.conditions import Condition

Manifest = Mapping[str, Any]

PLATFORM = "platform"
DEPLOYER = "deployer"


@dataclass(frozen=True)
class Apply:
    """One manifest to apply (server-side, forced, field manager `roost-<capability>`), in the order of the plan.

    identity: `platform` (the controller itself: walls only), `deployer` (the `roost-deployer` of the manifest's
    namespace: all that a
        tenant's text becomes), or `person:<id>` (that person's rights).
    create: made once and never changed (POST; that it already exists is no error when its content is the same owner's).
    owned: set an owner reference (same namespace or cluster-scoped owner) and keep it in the inventory, so that
    it is pruned when a later
        plan lacks it. Not owned: e.g. an App that a Promotion writes to.
    """

    manifest: Manifest
    identity: str = PLATFORM
    create: bool = False
    owned: bool = True


@dataclass(frozen=True)
class Action:
    """An effect outside Kubernetes' objects, named; keyed so that doing it twice is doing it once.

    first: before anything is applied. For what a pod needs to start: the kubelet that finds it missing only looks
    again half a second later.
    """

    name: str
    key: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    first: bool = False


@dataclass(frozen=True)
class Plan:
    """What should be. Same spec, observation and time give the same bytes.

    apply: in order. actions: after all that is applied, but for those that are `first`. status: fields of `.status`
    beside conditions, inventory and observedGeneration. next_check: look again after that long even if nothing
    happens. hold: stop pruning (the plan is incomplete because something is waited for).
    """

    apply: tuple[Apply, ...] = ()
    actions: tuple[Action, ...] = ()
    conditions: tuple[Condition, ...] = ()
    status: Mapping[str, Any] = field(default_factory=dict)
    next_check: timedelta | None = None
    hold: bool = False


@dataclass(frozen=True)
class Verdict:
    """What a named check says: ok, or a reason and a message."""

    ok: bool
    reason: str = ""
    message: str = ""
