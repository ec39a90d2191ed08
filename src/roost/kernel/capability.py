"""The Capability contract: what a folder under `capabilities/` or `services/` offers, as import strings.

Import strings keep discovery cheap: the CLI never loads FastAPI or a Kubernetes client, and the pure parts pull in no
I/O. The kernel resolves them when it needs them (`load`).

Signatures behind the strings:
    resource: a subclass of roost.model.resource.Resource
    observe:  async (reader: roost.kube.reader.Reader, object: Resource, settings: Settings) -> Observed   (reads only)
              the third parameter may be left out; Observed is a frozen dataclass or pydantic model of plain data
    plan:     (object: Resource, observed: Observed, now: datetime) -> Plan                    (pure)
    watches:  tuple[Watch, ...]    other kinds whose changes make the owner be looked at again
    actions:  Mapping[str, async (Action, ActionContext) -> None], see roost.kernel.action
    finalize: async (object: Resource, ActionContext) -> None; undoes what actions did outside Kubernetes' objects,
              idempotent, called after everything of the inventory is gone (needs finalizer=True)
    routes:   fastapi.APIRouter
    commands: a click.Command or click.Group, or a tuple of them, mounted in the CLI at the top

observe, plan, actions and finalize may raise `roost.model.errors.Stalled` and `Waiting`; the kernel makes conditions of
these and of every other error (roost.kernel.outcome). An object that is being deleted is never planned: with
`finalizer`, the kernel prunes its inventory, calls `finalize` and lets it go; without, Kubernetes' garbage collector
follows the owner references.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Watch:
    """Another kind to watch. An event there makes the named owner be reconciled.

    owner: how the reconciled object is found: `owner` (owner reference, or the label roost.dev/owner-uid that the
        kernel sets on what it applies), `label:<key>` (value is the name, same namespace), `field:<path>` (the text
        there, e.g. `spec.promotion`, is the name, same namespace), `name` (same name and namespace), `tenant` (the
        Tenant of the namespace), `named:<name>` (the one of that name in the same namespace), `all` (every object
        of the capability's kind).
    labels: only objects with these labels (selector text), so that caches stay small.
    namespace: only there; None: everywhere.
    only: paths of fields; a change of an object that leaves all of them as they were is none. So nobody is looked at
        for every heartbeat of a node.
    """

    api_version: str
    kind: str
    owner: str = "owner"
    labels: str = ""
    namespace: str | None = None
    only: tuple[str, ...] = ()


@dataclass(frozen=True)
class Capability:
    """One ability. Discovery looks for the name `capability` in each folder's `__init__`."""

    name: str
    resource: str | None = None
    observe: str | None = None
    plan: str | None = None
    watches: str | None = None
    actions: str | None = None
    routes: str | None = None
    commands: str | None = None
    finalizer: bool = False  # Children outside the owner's namespace: pruned by the kernel before the object may go.
    finalize: str | None = None

    @property
    def manager(self) -> str:
        """The field manager of everything that this capability applies."""
        return f"roost-{self.name}"


def load(reference: str) -> Any:
    """What `package.module:attribute` names. ImportError or AttributeError where there is none."""
    module, _, attribute = reference.partition(":")
    return getattr(import_module(module), attribute)
