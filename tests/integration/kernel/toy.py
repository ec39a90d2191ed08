"""A toy capability for the kernel's tests: every variable of an App's configuration becomes a ConfigMap.

Names of variables have a meaning: ACT and FIRST are done beside what is applied, FIRST before it; PLATFORM is applied
by the platform instead of the deployer, ONCE is created and never changed, AWAY goes into another namespace (its
value), POISON breaks the plan, HANG never ends, STALL is stalled, WAIT waits.
"""

import asyncio
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from roost.kernel.action import ActionContext
from roost.kernel.capability import Capability, Watch
from roost.kube.reader import Reader
from roost.model.conditions import ready
from roost.model.errors import Stalled, Waiting
from roost.model.kinds.app import App
from roost.model.plan import DEPLOYER, PLATFORM, Action, Apply, Plan

HERE = "tests.integration.kernel.toy"
WATCHES = (Watch("v1", "ConfigMap", labels="test/toy=yes"),)
DONE: list[str] = []


class Observed(BaseModel):
    """The ConfigMaps that stand."""

    model_config = ConfigDict(frozen=True)

    standing: tuple[str, ...]


async def observe(reader: Reader, app: App) -> Observed:
    """Read what stands; hang when told to."""
    if any(variable.name == "HANG" for variable in app.spec.config):
        await asyncio.Event().wait()
    found = await reader.list("v1", "ConfigMap", app.metadata.namespace, "test/toy=yes")
    return Observed(standing=tuple(item["metadata"]["name"] for item in found))


def plan(app: App, observed: Observed, now: datetime) -> Plan:
    """One ConfigMap for each variable."""
    names = {variable.name for variable in app.spec.config}
    if "POISON" in names:
        raise ZeroDivisionError("a bug")
    if "STALL" in names:
        raise Stalled("NotPossible", "Take the variable STALL away.")
    if "WAIT" in names:
        raise Waiting("NotYet", "Something else comes first.", after_s=0.5)
    return Plan(
        apply=tuple(_apply(app, variable.name, variable.value) for variable in app.spec.config),
        actions=tuple(
            Action("note", variable.value, first=variable.name == "FIRST")
            for variable in app.spec.config
            if variable.name in ("ACT", "FIRST")
        ),
        conditions=(ready(),),
        status={"release": "none", "instances": len(app.spec.config)},
        hold=app.spec.hold != "",
    )


def _apply(app: App, name: str, value: str) -> Apply:
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": f"{app.metadata.name}-{name.lower()}",
            "namespace": value if name == "AWAY" else app.metadata.namespace,
            "labels": {"test/toy": "yes"},
        },
        "data": {"value": value, "quantity": "1000m"},
    }
    identity = PLATFORM if name in ("PLATFORM", "AWAY") else DEPLOYER
    return Apply(manifest, identity=identity, create=name == "ONCE")


async def note(action: Action, context: ActionContext) -> None:
    """Remember that it was done, and whether what is applied stood then."""
    meta = context.object["metadata"]
    stood = await context.client.get("v1", "ConfigMap", f"{meta['name']}-a", meta["namespace"])
    DONE.append(f"{action.key} {'after' if stood else 'before'}")


async def finalize(app: App, context: ActionContext) -> None:
    """Remember that it was undone."""
    DONE.append(f"undone {app.metadata.namespace}/{app.metadata.name}")


ACTIONS = {"note": note}

CAPABILITY = Capability(
    name="toy",
    resource="roost.model.kinds.app:App",
    observe=f"{HERE}:observe",
    plan=f"{HERE}:plan",
    watches=f"{HERE}:WATCHES",
    actions=f"{HERE}:ACTIONS",
)
FINAL = Capability(
    name="toyfinal",
    resource="roost.model.kinds.app:App",
    observe=f"{HERE}:observe",
    plan=f"{HERE}:plan",
    watches=f"{HERE}:WATCHES",
    actions=f"{HERE}:ACTIONS",
    finalizer=True,
    finalize=f"{HERE}:finalize",
)
