"""The key that images are signed with, looked at and rotated. `roost.node.trust` makes it; the controller mounts it.

`since`, which stands beside it, stays when the key is rotated: what is older was never signed.
"""

from roost.model.names import SYSTEM_NAMESPACE as HERE
from roost.node.kubectl import Kubectl, NotReady
from roost.node.manifests import common, platform
from roost.node.trust import publish, texts
from roost.surface import signatures


def _held(kubectl: Kubectl) -> dict[str, str]:
    found = kubectl.get("secret", platform.SIGNING, HERE)
    if found is None:
        raise NotReady(f"The Secret {HERE}/{platform.SIGNING} is missing: run `roost node up`, or `roost upgrade`.")
    return texts(found)


def public(kubectl: Kubectl) -> str:
    """The public key, PEM. NotReady where there is none."""
    return signatures.public_key(_held(kubectl)["key.pem"].encode()).decode()


def rotate(kubectl: Kubectl) -> str:
    """A new key from now on; its public part. NotReady where there is none yet.

    Controllers start anew with it, and sign again what runs have built. What is admitted to an environment stays so;
    signatures of the old key count for nothing that is not.
    """
    made = {**_held(kubectl), "key.pem": signatures.new_key().decode()}
    kubectl.apply([common.secret(platform.SIGNING, HERE, made)])
    told = publish(kubectl, made["key.pem"])
    kubectl.call("rollout", "restart", f"deployment/{platform.CONTROLLER}", f"--namespace={HERE}")
    return told
