"""`roost node snapshot` and `roost node restore`: the cluster's objects, and what they cannot be read without.

A snapshot is one tar file for its owner's eyes: etcd's own snapshot, taken while everything runs, the authorities, the
key of service account tokens, and the key that Secrets are encrypted with. What lies on volumes (repositories, images,
tenants' data) is not in it.

Restoring makes the member of this node the only one, with the objects as they were. Numbers of versions jump ahead, so
that whoever watched what came after the snapshot reads anew instead of believing it. Other members of the control plane
join again afterwards; workers and their pods go on.
"""

import io
import json
import os
import shutil
import socket
import tarfile
import tempfile
from datetime import datetime
from pathlib import Path

from roost.node import control_plane, machine, members
from roost.node.kubectl import Kubectl, wait_until
from roost.node.machine import MachineUnfit, Node
from roost.node.pki import write_private
from roost.node.run import CommandFailed, run

DATABASE = "etcd.db"
FACTS = "facts.json"
KEYS = ("ca", "front-proxy-ca", "etcd/ca")
HELD = machine.MARKS / "held-manifests"  # Static pods that a restore has stopped; a second try starts from here.
MANIFESTS = machine.KUBERNETES / "manifests"
JUMP = 1_000_000_000


class SnapshotInvalid(ValueError):
    """The file is no snapshot, or not of this cluster; the text says what to do."""


def etcdutl(*arguments: str) -> str:
    """One command on a snapshot's file."""
    return run((str(machine.BIN / "etcdutl"), *arguments), timeout_s=300)


def secret_files() -> dict[str, Path]:
    """What is kept beside the database, by its name in the tar file."""
    found = {f"pki/{name}.{part}": machine.PKI / f"{name}.{part}" for name in KEYS for part in ("crt", "key")}
    found |= {f"pki/sa.{part}": machine.PKI / f"sa.{part}" for part in ("pub", "key")}
    return {**found, "encryption.yaml": control_plane.ENCRYPTION}


def take(path: Path, node: Node, now: datetime) -> dict[str, object]:
    """Write a snapshot to `path`; its facts. MachineUnfit where this node has no member of etcd."""
    if not (machine.PKI / "etcd" / "ca.key").exists():
        raise MachineUnfit("This node does not serve the control plane. Take the snapshot on one that does.")
    with tempfile.TemporaryDirectory(dir=path.absolute().parent) as scratch:
        database = Path(scratch) / DATABASE
        members.etcdctl("snapshot", "save", str(database), timeout_s=300)
        status = json.loads(etcdutl("snapshot", "status", str(database), "--write-out=json"))
        facts = {
            "node": node.name,
            "taken": now.isoformat(timespec="seconds"),
            "authority": control_plane.authority_digest(),
            "revision": status["revision"],
            "keys": status["totalKey"],
        }
        fresh = Path(scratch) / "snapshot.tar"
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            with tarfile.open(fileobj=file, mode="w") as tar:
                text = json.dumps(facts).encode()
                entry = tarfile.TarInfo(FACTS)
                entry.size, entry.mode = len(text), 0o600
                tar.addfile(entry, io.BytesIO(text))
                tar.add(database, DATABASE)
                for name, source in secret_files().items():
                    tar.add(source, name)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, path)
    return facts


def unpack(path: Path, into: Path) -> dict[str, str]:
    """The database into a directory; the facts. SnapshotInvalid where the file is none, or of another cluster."""
    try:
        with tarfile.open(path) as tar:
            for name in (FACTS, DATABASE):
                tar.extract(name, into, filter="data")
        facts: dict[str, str] = json.loads((into / FACTS).read_text())
    except (tarfile.TarError, KeyError, ValueError) as wrong:
        raise SnapshotInvalid(f"{path} is no snapshot of `roost node snapshot`.") from wrong
    if facts.get("authority") != control_plane.authority_digest():
        raise SnapshotInvalid(
            f"{path} is of another cluster: its authority is not this one's. Restore it on a node of that cluster."
        )
    return facts


def listening(port: int) -> bool:
    """Whether something on this machine takes connections."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def hold() -> None:
    """Stop the static pods of the control plane: the kubelet ends what it finds no manifest of."""
    HELD.mkdir(parents=True, exist_ok=True)
    for manifest in MANIFESTS.glob("*.yaml"):
        shutil.move(manifest, HELD / manifest.name)  # That may be another file system.
    wait_until("The end of etcd", lambda: not listening(2379), within_s=120)
    wait_until("The end of the API server", lambda: not listening(machine.API_PORT), within_s=120)


def release() -> None:
    """Start them again."""
    for manifest in HELD.glob("*.yaml"):
        write_private(MANIFESTS / manifest.name, manifest.read_text())  # The kubelet must not see half of it.
        manifest.unlink()
    HELD.rmdir()


def restore(path: Path, node: Node, now: datetime) -> dict[str, str]:
    """Make the objects of a snapshot the cluster's; its facts. The database of before stays beside the new one."""
    if control_plane.authority_digest() == "":
        raise MachineUnfit("There is no control plane on this machine; `roost node up` makes one.")
    with tempfile.TemporaryDirectory(dir=machine.STATE) as scratch:
        facts = unpack(path, Path(scratch))
        fresh = Path(scratch) / "data"
        peer = f"https://{node.address}:2380"
        try:
            etcdutl(
                "snapshot",
                "restore",
                str(Path(scratch) / DATABASE),
                f"--data-dir={fresh}",
                f"--name={node.name}",
                f"--initial-cluster={node.name}={peer}",
                f"--initial-advertise-peer-urls={peer}",
                f"--bump-revision={JUMP}",
                "--mark-compacted",
            )
        except CommandFailed as failed:
            raise SnapshotInvalid(f"The database in {path} is damaged; nothing was changed.\n{failed}") from failed
        hold()
        before = machine.ETCD.with_name(f"etcd-before-{now:%Y%m%dT%H%M%S}")
        if (machine.ETCD / "member").exists():
            before.mkdir(mode=0o700)
            shutil.move(machine.ETCD / "member", before / "member")  # etcd's disk is often one of its own.
        shutil.move(fresh / "member", machine.ETCD / "member")
    release()
    wait_until("The Kubernetes API", Kubectl().api_answers, within_s=240)
    return facts
