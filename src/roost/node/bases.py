"""Offers the bases that tenants build on: pushes them into the cluster's registry as `base/<name>:<tag>`.

Called by `up` once the registry serves. The copy runs in the control group that reaches cluster addresses.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from roost.node import machine, trust
from roost.node.manifests import registry
from roost.node.pki import write_private
from roost.node.run import run
from roost.surface import registry as tokens

PUSHED = (
    machine.MARKS / "bases.json"
)  # What was pushed: {`base/<name>:<tag>`: archive's file name, which holds its key}.


def pushed() -> dict[str, str]:
    """What was pushed before."""
    if not PUSHED.exists():
        return {}
    found: dict[str, str] = json.loads(PUSHED.read_text())
    return found


def push(bases: Sequence[tuple[Path, str]], key: bytes, cgroup: Path) -> list[str]:
    """Push what is new; the names that were pushed. CommandFailed where the registry refuses."""
    known = pushed()
    done = []
    for archive, name in bases:
        if known.get(name) == archive.name:
            continue
        repository = name.rsplit(":", 1)[0]
        access = [tokens.Access(repository, ("pull", "push"))]
        token = tokens.mint(key, "roost-node", access, datetime.now(UTC), timedelta(minutes=30))
        run(
            [
                "skopeo",
                "copy",
                "--quiet",
                f"--dest-registry-token={token}",
                f"--dest-cert-dir={certificates()}",
                f"oci-archive:{archive}",
                f"docker://{machine.REGISTRY_ADDRESS}:{registry.PORT}/{name}",
            ],
            cgroup=cgroup,
            timeout_s=600,
        )
        known[name] = archive.name
        done.append(name)
        write_private(PUSHED, json.dumps(known, indent=1))
    return done


def certificates() -> Path:
    """A directory as skopeo wants it: it takes every *.crt for an authority, and *.key needs a partner of its name."""
    directory = machine.MARKS / "skopeo"
    write_private(directory / "ca.crt", (trust.NODE_FILES / "ca.crt").read_text(), mode=0o644)
    return directory
