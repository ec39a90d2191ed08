"""The plan of a User: a ServiceAccount that rights hang on, and the person's role over the platform. Pure.

The API makes the ServiceAccount too, so that a new person can sign in at once; here it is given its owner. One that
belongs to an earlier User of the same name is left to the garbage collector: whoever comes after is somebody else.
"""

from datetime import datetime, timedelta
from typing import Any

from roost.capabilities.user.model import Observed
from roost.model import names
from roost.model.conditions import not_ready, ready
from roost.model.kinds.people import User
from roost.model.plan import Apply, Plan

LOOK_AGAIN = timedelta(seconds=3)
RBAC = "rbac.authorization.k8s.io"


def account(user: User) -> dict[str, Any]:
    """The ServiceAccount of a person; no pod ever gets its token."""
    name = user.metadata.name
    owner = {"apiVersion": names.API_VERSION, "kind": User.KIND, "name": name, "uid": user.metadata.uid}
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {
            "name": name,
            "namespace": names.PEOPLE_NAMESPACE,
            "labels": {names.MANAGED_BY: "roost"},
            "ownerReferences": [owner],
        },
        "automountServiceAccountToken": False,
    }


def binding(user: User) -> dict[str, Any]:
    """The person's role over the platform."""
    name = user.metadata.name
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": f"roost-person-{name}", "labels": {names.PLATFORM: "user", names.MANAGED_BY: "roost"}},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": f"roost-{user.spec.platform_role}"},
        "subjects": [{"kind": "ServiceAccount", "namespace": names.PEOPLE_NAMESPACE, "name": name}],
    }


def plan(user: User, observed: Observed, now: datetime) -> Plan:
    """What should be of this User. Nothing here depends on time."""
    earlier = [uid for uid in observed.owners if uid != user.metadata.uid]
    if earlier:
        message = "The account of an earlier person of this name is being removed; this one's is made then."
        return Plan(conditions=(not_ready("NameInUse", message),), next_check=LOOK_AGAIN)
    applied = [Apply(account(user), owned=False)]
    if user.spec.platform_role and not user.spec.disabled:
        applied.append(Apply(binding(user)))
    if user.spec.disabled:
        condition = not_ready("Disabled", "This person is disabled: no role, no tenant's rights, no way to sign in.")
    else:
        condition = ready()
    return Plan(tuple(applied), conditions=(condition,), status={"serviceAccount": user.metadata.name})
