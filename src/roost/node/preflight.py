"""Whether this machine can carry the cluster, judged before `roost node up` touches anything.

`preflight_observe.observe` looks, `judge` compares, `require` refuses. Judging is pure: facts in, findings out, in the
order in which a person would mend them. Each finding says what was found, why it matters and what to do.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from roost.node.preflight_facts import FEATURES, PORTS, Listener, Machine

GIB = 1024**3
MIN_CPUS = 2
MIN_MEMORY = 4 * GIB  # The cluster at rest takes 2.5 GiB, the compiler up to 4 GiB while nothing else runs.
MIN_KERNEL = (6, 3)
TCX_KERNEL = (6, 6)
DEBIAN = 12

Verdict = Literal["ok", "note", "refuse"]


class MachineRefused(RuntimeError):
    """The machine cannot carry the cluster as it is. The text lists every reason, each with what to do."""


@dataclass(frozen=True)
class Finding:
    """One check's verdict. `text` is empty when all is well."""

    check: str
    verdict: Verdict
    text: str = ""


def _refuse(check: str, text: str) -> Finding:
    return Finding(check, "refuse", text)


def root(machine: Machine) -> Iterator[Finding]:
    """Control groups, mounts, network and ports below 1024 need root."""
    if not machine.root:
        yield _refuse("root", "You are not root, and a node needs control groups, mounts and a network. Use `sudo`.")


def system(machine: Machine) -> Iterator[Finding]:
    """What is compiled and installed fits amd64 and Debian."""
    if machine.architecture != "x86_64":
        yield _refuse(
            "system",
            f"This machine's processor is {machine.architecture}; Roost's engine and images are made for x86_64 "
            "(amd64) only. Use such a machine.",
        )
    if not machine.apt:
        yield _refuse(
            "system",
            f"This is {machine.system_name or 'an unknown system'} and has no apt-get; images are made of Debian "
            "packages. Use Debian 12 or one of its derivatives.",
        )
    elif machine.system_id != "debian" or machine.system_version < DEBIAN:
        yield Finding(
            "system",
            "note",
            f"This is {machine.system_name}; Roost is tried on Debian 12. If a package is missing, that is why.",
        )


def processors(machine: Machine) -> Iterator[Finding]:
    """kubeadm wants two."""
    if machine.cpus < MIN_CPUS:
        yield _refuse(
            "processors",
            f"The machine has {machine.cpus} processor core; the control plane beside applications needs {MIN_CPUS}. "
            "Give it more.",
        )


def memory(machine: Machine) -> Iterator[Finding]:
    """What all of it takes at rest, and the compiler the first time."""
    if machine.memory_bytes < MIN_MEMORY:
        yield _refuse(
            "memory",
            f"The machine has {machine.memory_bytes / GIB:.1f} GiB of memory; Kubernetes, Cilium and the platform "
            f"need {MIN_MEMORY / GIB:.0f} GiB. Give it more.",
        )
    elif not machine.ours and machine.memory_available_bytes < MIN_MEMORY * 3 // 4:
        yield Finding(
            "memory",
            "note",
            f"Only {machine.memory_available_bytes / GIB:.1f} GiB of memory are free, because other programs use the "
            "rest. The start may be slow, or be killed.",
        )


def disk(machine: Machine) -> Iterator[Finding]:
    """Each file system must have what all uses of it together need."""
    for device in dict.fromkeys(use.device for use in machine.disks):
        uses = [use for use in machine.disks if use.device == device]
        need, free = sum(use.need_bytes for use in uses), uses[0].free_bytes
        if free < need:
            each = ", ".join(f"{use.need_bytes / GIB:.1f} GiB in {use.path} for {use.purpose}" for use in uses)
            yield _refuse(
                "disk",
                f"The file system of {uses[0].path} has {free / GIB:.1f} GiB free and {need / GIB:.1f} GiB are needed: "
                f"{each}. Free some space, or set ROOST_CACHE to a folder on a larger disk.",
            )


def _who(listener: Listener) -> str:
    return f"by {listener.program} (process {listener.pid})" if listener.pid else "by the kernel or a hidden process"


def ports(machine: Machine) -> Iterator[Finding]:
    """Ports of the cluster that something else listens on."""
    for listener in machine.listeners:
        purpose = PORTS.get((listener.port, listener.protocol))
        unknown_but_ours = machine.ours and not listener.pid  # The kernel's own VXLAN socket has no process.
        if purpose is None or listener.ours or unknown_but_ours:
            continue
        stop = f"kill {listener.pid}" if listener.pid else f"ss -lnp 'sport = {listener.port}' shows it"
        yield _refuse(
            "ports",
            f"Port {listener.port}/{listener.protocol} is taken {_who(listener)}; {purpose} needs it. Stop that "
            f"program ({stop}), or move it to another port.",
        )


def kernel_version(release: str) -> tuple[int, int]:
    """(major, minor) of a kernel release such as `6.18.44-amd64`; (0, 0) when it is no such thing."""
    found = re.match(r"(\d+)\.(\d+)", release)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def kernel(machine: Machine) -> Iterator[Finding]:
    """Features that Cilium, containerd and user namespaces need, by name."""
    facts = machine.kernel
    version = kernel_version(facts.release)
    if version < MIN_KERNEL:
        yield _refuse(
            "kernel",
            f"The kernel is {facts.release}; pods in user namespaces need {MIN_KERNEL[0]}.{MIN_KERNEL[1]} (idmapped "
            "tmpfs), and builds are such pods. On Debian 12 install linux-image-amd64 of bookworm-backports and "
            "restart.",
        )
    elif version < TCX_KERNEL:
        yield Finding("kernel", "note", f"The kernel {facts.release} has no tcx; Cilium uses the older tc hooks.")
    if facts.options is None:
        yield Finding(
            "kernel",
            "note",
            f"The kernel's configuration is neither in /proc/config.gz nor in /boot/config-{facts.release}, so its "
            f"features are not checked: {', '.join(feature.name for feature in FEATURES)}.",
        )
    for feature in FEATURES:
        if lacking := [o for o in feature.options if facts.options is not None and o not in facts.options]:
            yield _refuse(
                "kernel",
                f"The kernel lacks {feature.name} ({', '.join(f'CONFIG_{o}' for o in lacking)}), which {feature.why}. "
                "Use a kernel that has it, such as Debian's own.",
            )
    if not facts.btf:
        yield _refuse(
            "kernel",
            "The kernel tells no BPF types (BTF): /sys/kernel/btf/vmlinux is missing, and Cilium's programs need it. "
            "Use a kernel with CONFIG_DEBUG_INFO_BTF, such as Debian's own.",
        )
    if facts.max_user_namespaces == 0:
        yield _refuse(
            "kernel",
            "User namespaces are switched off (user.max_user_namespaces = 0), and builds and images that run as root "
            "need them. Set it: sysctl -w user.max_user_namespaces=15000",
        )


def other_cluster(machine: Machine) -> Iterator[Finding]:
    """Traces of a cluster that Roost did not make: never overwritten."""
    if machine.foreign:
        yield _refuse(
            "other cluster",
            f"Another cluster's state is on this machine: {'; '.join(machine.foreign)}. Roost did not make it and does "
            "not overwrite it. Use another machine, or remove that cluster first (`kubeadm reset` for one of kubeadm).",
        )


def host_name(machine: Machine) -> Iterator[Finding]:
    """The node's name is the host name."""
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9-]+)*", machine.host_name.lower()):
        yield _refuse(
            "host name",
            f"The host name `{machine.host_name}` cannot name a node: letters, digits and hyphens only. Set another: "
            "hostname NAME, and /etc/hostname.",
        )


def capabilities(machine: Machine) -> Iterator[Finding]:
    """What the node works around."""
    if machine.lacks_sys_resource:
        yield Finding(
            "capabilities",
            "note",
            "CAP_SYS_RESOURCE is missing, so containers keep the OOM score of their parent: the kernel may then choose "
            "worse which process to end when memory runs out. containerd is configured for that.",
        )


CHECKS: tuple[Callable[[Machine], Iterator[Finding]], ...] = (
    root,
    system,
    processors,
    memory,
    disk,
    kernel,
    host_name,
    other_cluster,
    ports,
    capabilities,
)


def judge(machine: Machine) -> list[Finding]:
    """Every check's findings; a check that is content gives one with verdict `ok`."""
    result: list[Finding] = []
    for check in CHECKS:
        result += list(check(machine)) or [Finding(check.__name__.replace("_", " "), "ok")]
    return result


def require(findings: Sequence[Finding]) -> list[str]:
    """The notes, or MachineRefused with everything that stands against the machine."""
    refused = [finding.text for finding in findings if finding.verdict == "refuse"]
    if refused:
        head = "This machine cannot carry Roost as it is; nothing was changed."
        raise MachineRefused("\n".join([head, *(f"  - {text}" for text in refused)]))
    return [finding.text for finding in findings if finding.verdict == "note"]
