"""The vulnerability database given by hand: OSV's archives in a folder, for a site without a mirror to fetch from.

`roost node advisories FOLDER` calls `take`. The upload runs in the control group that reaches cluster addresses.
"""

import json
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from roost.adapters.registry import Registry, RegistryFailed, over_tls
from roost.builds import advisories as archives_of
from roost.builds.advisories import ArchiveWrong
from roost.model.advisories import CONFIG_MAP, ECOSYSTEMS, REPOSITORY, Database, Part
from roost.model.names import REGISTRY, SYSTEM_NAMESPACE
from roost.node import bases, cgroups, trust
from roost.node.kubectl import Kubectl, NotReady
from roost.node.manifests import advisories as manifests
from roost.node.manifests import platform, registry
from roost.node.manifests.common import config_map
from roost.node.run import run
from roost.surface import registry as tokens

UPLOAD_S = 3600


def found(folder: Path) -> tuple[dict[str, Path], dict[str, Part]]:
    """The archives in a folder, `<ecosystem>/all.zip`, by ecosystem, and what they hold.

    ArchiveWrong: there is none, or one is wrong.
    """
    held = {name: folder / name / "all.zip" for name in ECOSYSTEMS if (folder / name / "all.zip").is_file()}
    if not held:
        raise ArchiveWrong(f"{folder} holds none of {', '.join(f'{name}/all.zip' for name in ECOSYSTEMS)}.")
    return held, {name: archives_of.check(path, name) for name, path in held.items()}


def take(kubectl: Kubectl, folder: Path) -> str:
    """Make the archives the platform's database; its image. Runs from then on are scanned by it."""
    held, parts = found(folder)
    key = trust.texts(kubectl.get("secret", registry.TOKEN_SECRET, SYSTEM_NAMESPACE) or {})["key.pem"].encode()
    wanted = [tokens.Access(REPOSITORY, ("pull", "push"))]
    token = tokens.mint(key, "roost-node", wanted, datetime.now(UTC), timedelta(seconds=UPLOAD_S))
    paths = {name: str(path.resolve()) for name, path in held.items()}
    asked = json.dumps([token, bases.HOST, str(bases.certificates() / "ca.crt"), paths])
    program = [sys.executable, "-m", "roost.node.advisories"]
    digest = run(program, text=asked, cgroup=cgroups.hierarchies().host, timeout_s=UPLOAD_S).strip()
    image = f"{REGISTRY}/{REPOSITORY}@{digest}"
    told = config_map(CONFIG_MAP, SYSTEM_NAMESPACE, Database(image=image, parts=parts).data())
    kubectl.apply([told, manifests.by_hand(*_images(kubectl), image)])
    return image


def _images(kubectl: Kubectl) -> tuple[str, str]:
    """The platform's own image and its scanner's, as the controller is told of them. NotReady where there is none."""
    found = kubectl.get("deployment", platform.CONTROLLER, SYSTEM_NAMESPACE)
    if found is None:
        raise NotReady("The platform is not installed here: there is no controller.")
    (container,) = found["spec"]["template"]["spec"]["containers"]
    told = {item["name"]: item.get("value", "") for item in container["env"]}
    return str(container["image"]), str(told["ROOST_SCANNER_IMAGE"])


def upload(token: str, host: str, authority: str, paths: dict[str, str]) -> str:
    """Push the archives; the digest of the image. RegistryFailed."""
    client = Registry(over_tls(host, authority), token, time.sleep, tries=20)
    with tempfile.TemporaryDirectory(prefix="roost-advisories-") as work:
        return archives_of.publish(client, {name: Path(path) for name, path in paths.items()}, Path(work))


if __name__ == "__main__":
    try:
        print(upload(*json.load(sys.stdin)))
    except RegistryFailed as failed:
        sys.exit(str(failed))
