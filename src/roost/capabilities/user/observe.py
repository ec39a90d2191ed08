"""What stands of a User. Reads only, no decisions."""

from roost.capabilities.user.model import Observed
from roost.kernel.capability import Watch
from roost.kube.reader import Reader
from roost.model import names
from roost.model.kinds.people import User

WATCHES = (
    Watch("v1", "ServiceAccount", owner="owner", namespace=names.PEOPLE_NAMESPACE),
    Watch("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", owner="owner", labels=names.PLATFORM),
)


async def observe(reader: Reader, user: User) -> Observed:
    """Whose the ServiceAccount of this name is."""
    account = await reader.get("v1", "ServiceAccount", user.metadata.name, names.PEOPLE_NAMESPACE)
    references = ((account or {}).get("metadata") or {}).get("ownerReferences") or ()
    return Observed(owners=tuple(sorted(item["uid"] for item in references if item["kind"] == User.KIND)))
