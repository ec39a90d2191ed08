"""Offers the bases that tenants build on: pushes them into the cluster's registry as `base/<name>:<tag>`.

Called by `up` once the registry serves. The copy runs in the control group that reaches cluster addresses.
"""

import json
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from roost.adapters.registry import Registry, over_tls
from roost.builds import bill
from roost.node import machine, sbom, trust
from roost.node.manifests import registry
from roost.node.pki import write_private
from roost.node.run import run
from roost.surface import registry as tokens

# What was pushed: {`base/<name>:<tag>`: archive's file name, which holds its key}; and whose bill was.
PUSHED = machine.MARKS / "bases.json"
BILLS = machine.MARKS / "bills.json"
HOST = f"{machine.REGISTRY_ADDRESS}:{registry.PORT}"


def pushed(marks: Path = PUSHED) -> dict[str, str]:
    """What was pushed before."""
    if not marks.exists():
        return {}
    found: dict[str, str] = json.loads(marks.read_text())
    return found


def push(bases: Sequence[tuple[Path, str]], key: bytes, cgroup: Path) -> list[str]:
    """Push what is new, each with its bill of materials; names that were pushed. CommandFailed where it is refused."""
    known, done = pushed(), []
    for archive, name in bases:
        if known.get(name) == archive.name:
            continue
        run(
            [
                "skopeo",
                "copy",
                "--quiet",
                f"--dest-registry-token={access(key, [name])}",
                f"--dest-cert-dir={certificates()}",
                f"oci-archive:{archive}",
                f"docker://{HOST}/{name}",
            ],
            cgroup=cgroup,
            timeout_s=600,
        )
        known[name] = archive.name
        done.append(name)
        write_private(PUSHED, json.dumps(known, indent=1))
    billed = pushed(BILLS)
    lacking = {name: sbom.beside(archive) for archive, name in bases if billed.get(name) != sbom.beside(archive).name}
    if lacking:
        bills = [(name, str(path)) for name, path in lacking.items()]
        told = json.dumps([access(key, list(lacking)), bills, HOST, str(certificates() / "ca.crt")])
        # Cluster addresses are reached from that control group alone, so it is a process of its own.
        run([sys.executable, "-m", "roost.node.bases"], text=told, cgroup=cgroup, timeout_s=300)
        billed |= {name: path.name for name, path in lacking.items()}
        write_private(BILLS, json.dumps(billed, indent=1))
    return done


def access(key: bytes, names: Sequence[str]) -> str:
    """A token that pushes these: `base/<name>:<tag>`."""
    wanted = [tokens.Access(name.rsplit(":", 1)[0], ("pull", "push")) for name in names]
    return tokens.mint(key, "roost-node", wanted, datetime.now(UTC), timedelta(minutes=30))


def attach(token: str, bills: Sequence[tuple[str, str]], host: str, authority: str) -> None:
    """Store each bill, a file, beside the base of that name. `authority`: file of whom to believe. RegistryFailed."""
    client = Registry(over_tls(host, authority), token, time.sleep, tries=20)
    for name, file in bills:
        repository, _, tag = name.rpartition(":")
        client.put_artefact(
            repository, bill.KIND, Path(file).read_bytes(), subject=client.resolve(repository, tag) or tag
        )


def certificates() -> Path:
    """A directory as skopeo wants it: it takes every *.crt for an authority, and *.key needs a partner of its name."""
    directory = machine.MARKS / "skopeo"
    write_private(directory / "ca.crt", (trust.NODE_FILES / "ca.crt").read_text(), mode=0o644)
    return directory


if __name__ == "__main__":
    attach(*json.load(sys.stdin))
