"""`roost install` into a cluster that is not the machine's own: its images, trust, bases; then the same as everywhere.

images of the checkout -> the given registry, by digest
checks                    refused here means that nothing was made but the trial's leftovers, which go
kinds, namespaces, the registry's Service (its address), trust, everything else, walls
bases -> the platform's own registry, through a forwarded port
"""

import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from roost.adapters.registry import Registry, RegistryFailed, over_tls
from roost.model.names import SYSTEM_NAMESPACE as HERE
from roost.node import bases, paths, pki, trust
from roost.node.images import Image
from roost.node.installer import checks, deploy, observe, record, rendering
from roost.node.installer.facts import Facts
from roost.node.installer.options import IMAGES, Options
from roost.node.installer.probe import probe
from roost.node.installer.record import Installation
from roost.node.installer.rendering import RIGHTS, WALLS, WORKLOADS
from roost.node.kubectl import Kubectl
from roost.node.manifests import common, node_trust, platform, registry
from roost.node.preflight import Finding
from roost.node.run import CommandFailed, environment, run
from roost.node.trust import Trust

Told = Callable[[str], None]

TRIES = 4  # Of pushing a base through a forwarded port.


class ClusterRefused(RuntimeError):
    """The cluster cannot carry Roost as it is; the text names the checks that failed."""


@dataclass(frozen=True)
class Access:
    """How images get into the registry that nodes pull from. Empty: as skopeo finds it, by its login and its CAs."""

    login: str = ""  # A file as `skopeo login` or `docker login` writes it.
    authority: str = ""  # A file with the PEM certificate of whom to believe.

    def arguments(self, scratch: Path) -> list[str]:
        """skopeo's arguments for the destination."""
        found = [f"--dest-authfile={self.login}"] if self.login else []
        if self.authority:
            pki.write_private(scratch / "ca.crt", Path(self.authority).read_text(), mode=0o644)
            found.append(f"--dest-cert-dir={scratch}")
        return found


def push(images: Mapping[str, Image], options: Options, access: Access, scratch: Path) -> dict[str, str]:
    """Push what the platform runs; references by digest. Without a registry, as preloaded. CommandFailed."""
    if not options.registry:
        return {name: images[name].reference for name in IMAGES}
    for name in IMAGES:
        image = images[name]
        target = f"docker://{options.registry}/{name}:{image.key}"
        copy = ["skopeo", "copy", "--quiet", "--preserve-digests", *access.arguments(scratch)]
        run([*copy, f"oci-archive:{image.archive}", target], timeout_s=900)
    return {name: f"{options.registry}/{name}@{images[name].digest}" for name in IMAGES}


def look(kubectl: Kubectl, options: Options) -> tuple[Options, Facts, list[Finding]]:
    """What can be judged without a pod: options completed by what the cluster tells, facts, findings."""
    facts = observe.observe(kubectl)
    options = observe.completed(options, facts)
    return options, facts, checks.judge(facts, options, checks.FIRST)


def refused(findings: Sequence[Finding]) -> bool:
    """Whether anything stands against it."""
    return any(finding.verdict == "refuse" for finding in findings)


def require(findings: Sequence[Finding]) -> None:
    """ClusterRefused, with the names of the checks that stand against the cluster; the report has the reasons."""
    if failed := dict.fromkeys(item.check for item in findings if item.verdict == "refuse"):
        raise ClusterRefused(f"This cluster cannot carry Roost as it is ({', '.join(failed)}); nothing was installed.")


def tried(kubectl: Kubectl, image: str, options: Options, facts: Facts, told: Told) -> tuple[Options, list[Finding]]:
    """Trials with pods; options with what keeps tenants apart here, and every check's findings."""
    facts = probe(kubectl, image, facts, options, told)
    options = replace(options, walls=checks.walls(facts))
    return options, checks.judge(facts, options)


def definitions(gateway: Path, facts: Facts, own_gateway: bool = False) -> list[dict[str, Any]]:
    """Definitions of kinds: ours, and the Gateway API's where the cluster has none that do, or has them from us."""
    theirs = "v1" in facts.gateway_versions and not own_gateway
    folders = [paths.source() / "deploy" / "crds", *([] if theirs else [gateway])]
    files = [path for folder in folders for path in sorted(folder.glob("*.yaml"))]
    found = [item for path in files for item in yaml.safe_load_all(path.read_text()) if item]
    return [item for item in found if item["kind"] == "CustomResourceDefinition"]


def door(kubectl: Kubectl) -> str:
    """The registry's address in the cluster: chosen by Kubernetes when the Service is made, then fixed."""
    kubectl.apply_patiently([registry.door("")])
    found = kubectl.get("service", registry.NAME, HERE)
    assert found is not None
    return str(found["spec"]["clusterIP"])


def client_certificate(kubectl: Kubectl, made: Trust, now: datetime) -> None:
    """The Secret that the nodes' containerd shows the registry; renewed when it nears its end."""
    held = kubectl.get("secret", node_trust.CLIENT, HERE)
    if held is not None:
        data = trust.texts(held)
        pair = pki.Pair(data.get("node.crt", ""), data.get("node.key", ""))
        if pair.certificate and pki.still_good(pair, made.node_authority, (), now):
            return
    pair = pki.leaf(made.node_authority, "nodes", (), now, client=True)
    files = {"ca.crt": made.authority.certificate, "node.crt": pair.certificate, "node.key": pair.key}
    kubectl.apply([common.secret(node_trust.CLIENT, HERE, files)])


def prepared(
    kubectl: Kubectl, options: Options, images: Mapping[str, str], kinds: Sequence[dict[str, Any]], outside: str
) -> tuple[Installation, Trust]:
    """Kinds, namespaces and trust are made; the installation that is to follow."""
    deploy.apply_kinds(kubectl, kinds)
    kubectl.apply_patiently(platform.namespaces())
    options = replace(options, registry_address=options.registry_address or door(kubectl))
    now = datetime.now(UTC)
    made = trust.establish(kubectl, options.domain, (options.registry_address, "localhost"), outside, now)
    client_certificate(kubectl, made, now)
    parts = rendering.Parts(images, kinds, made.registry_files)
    return Installation(record.own_version(), options, images, rendering.phases(options, parts)), made


def install(kubectl: Kubectl, wanted: Installation, told: Told) -> None:
    """Everything that is not there yet, until it runs. `deploy.finish` writes it down."""
    told("roles and admission")
    deploy.apply(kubectl, wanted, RIGHTS)
    told("platform")
    deploy.apply(kubectl, wanted, WORKLOADS, WALLS)
    deploy.wait_for(kubectl, wanted)


@contextmanager
def forwarded(kubectl: Kubectl, target: str, port: int) -> Iterator[int]:
    """A local port that leads to a workload's port in roost-system. CommandFailed where none is opened in time."""
    command = [*kubectl.base, "port-forward", "--address=127.0.0.1", f"--namespace={HERE}", target, f":{port}"]
    command = [word for word in command if not word.startswith("--request-timeout")]
    # Over WebSockets kubectl may lose a large upload.
    variables = environment({"KUBECTL_PORT_FORWARD_WEBSOCKETS": "false"})
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=variables) as it:
        try:
            assert it.stdout is not None
            said = it.stdout.readline()
            found = re.search(r"127\.0\.0\.1:(\d+)", said)
            if not found:
                raise CommandFailed(command, "opened no port", said)
            yield int(found[1])
        finally:
            it.kill()


def offer(kubectl: Kubectl, made: Trust, offered: Sequence[Image], scratch: Path, told: Told) -> int:
    """Push bases that tenants build on into the platform's registry, those that it lacks; how many."""
    pki.write_private(scratch / "ca.crt", made.authority.certificate, mode=0o644)
    return sum(_offer(kubectl, made, image, scratch, told) for image in offered)


def _offer(kubectl: Kubectl, made: Trust, image: Image, scratch: Path, told: Told) -> bool:
    """One base; whether it was pushed. A forwarded port that breaks off is opened again; what is there stays."""
    for left in reversed(range(TRIES)):
        try:
            with forwarded(kubectl, f"deployment/{registry.NAME}", registry.PORT) as port:
                return _push_base(made, image, port, scratch, told)
        except (CommandFailed, RegistryFailed):
            if not left:
                raise
    return False


def _push_base(made: Trust, image: Image, port: int, scratch: Path, told: Told) -> bool:
    host, authority = f"localhost:{port}", str(scratch / "ca.crt")
    token = bases.access(made.token_key, [image.offered])
    client = Registry(over_tls(host, authority), token, time.sleep, tries=3)
    repository, _, tag = image.offered.rpartition(":")
    try:
        there = client.resolve(repository, tag) == image.digest
    finally:
        client.close()
    if there:
        return False
    told(image.offered)
    copy = ["skopeo", "copy", "--quiet", "--preserve-digests", f"--dest-registry-token={token}"]
    copy += [f"--dest-cert-dir={scratch}", f"oci-archive:{image.archive}", f"docker://{host}/{image.offered}"]
    run(copy, timeout_s=900)
    bases.attach(token, [(image.offered, str(image.bill))], host, authority)
    return True
