"""Talking to the cluster as its administrator, through the engine's own kubectl. Used by `up` and `status`.

Server-side apply writes nothing when nothing changed, so every step may be repeated. A process of ours never keeps a
client open here: `up` must survive an API server that comes and goes.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from roost.node import machine
from roost.node.run import CommandFailed, run

Manifest = Mapping[str, Any]

FIELD_MANAGER = "roost-node"
POLL_S = 0.5


class NotReady(RuntimeError):
    """Something did not become ready in time; the text says what it waited for and what is known."""


class Kubectl:
    """The administrator's view of the cluster."""

    def __init__(
        self,
        kubeconfig: Path = machine.ADMIN,
        program: Path | None = None,
        cache: Path | None = None,
        context: str = "",
    ) -> None:
        self.kubeconfig = kubeconfig
        self.context = context
        self.base = (
            str(program or machine.BIN / "kubectl"),
            f"--kubeconfig={kubeconfig}",
            f"--cache-dir={cache or machine.RUN / 'kubectl'}",
            "--request-timeout=20s",
            *((f"--context={context}",) if context else ()),
        )

    def call(self, *arguments: str, text: str | None = None, timeout_s: float = 60) -> str:
        """One kubectl command; its standard output. CommandFailed when it fails."""
        return run((*self.base, *arguments), text=text, timeout_s=timeout_s)

    def apply(self, manifests: Sequence[Manifest], timeout_s: float = 120, dry_run: bool = False) -> None:
        """Server-side apply in order. CommandFailed names the object that was refused."""
        if not manifests:
            return
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)})
        arguments = ("apply", "--server-side", "--force-conflicts", f"--field-manager={FIELD_MANAGER}", "-f", "-")
        tried = ("--dry-run=server",) if dry_run else ()
        self.call(*arguments, *tried, text=text, timeout_s=timeout_s)

    def apply_patiently(self, manifests: Sequence[Manifest], within_s: float = 120) -> None:
        """Apply, again and again while the cluster is not there yet: kinds not established, API server restarting."""
        deadline = time.monotonic() + within_s
        while True:
            try:
                self.apply(manifests)
                return
            except CommandFailed as failed:
                # A quota that was not counted yet is no refusal: Kubernetes counts new kinds up to half a minute late.
                forbidden = "forbidden" in failed.output and "status unknown for quota" not in failed.output
                if time.monotonic() > deadline or forbidden or "is invalid" in failed.output:
                    raise
                time.sleep(POLL_S)

    def get(self, kind: str, name: str, namespace: str = "") -> dict[str, Any] | None:
        """One object, or None where there is none."""
        where = (f"--namespace={namespace}",) if namespace else ()
        text = self.call("get", kind, name, *where, "--ignore-not-found", "-o", "json")
        return json.loads(text) if text.strip() else None

    def list(self, kind: str, namespace: str = "", selector: str = "") -> list[dict[str, Any]]:
        """Objects of a kind, everywhere without a namespace."""
        where = f"--namespace={namespace}" if namespace else "--all-namespaces"
        chosen = (f"--selector={selector}",) if selector else ()
        items: list[dict[str, Any]] = json.loads(self.call("get", kind, where, *chosen, "-o", "json"))["items"]
        return items

    def api_answers(self) -> bool:
        """Whether the API server is ready."""
        try:
            return self.call("get", "--raw", "/readyz", timeout_s=10).strip() == "ok"
        except CommandFailed:
            return False


def wait_until(what: str, ready: Callable[[], bool], within_s: float, explain: Callable[[], str] = lambda: "") -> None:
    """Wait until `ready`; an API that does not answer counts as not ready. NotReady after `within_s` seconds."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            if ready():
                return
        except (CommandFailed, ValueError):
            pass  # Asked too early: the deadline tells.
        if time.monotonic() > deadline:
            known = explain()
            raise NotReady(f"{what} did not become ready within {within_s:.0f} s." + (f"\n{known}" if known else ""))
        time.sleep(POLL_S)


def workload_ready(item: Mapping[str, Any]) -> bool:
    """Whether a Deployment, StatefulSet or DaemonSet runs what it should, in its present form."""
    status = item.get("status", {})
    if status.get("observedGeneration", 0) < item["metadata"]["generation"]:
        return False
    if item["kind"] == "DaemonSet":
        wanted = status.get("desiredNumberScheduled", 0)
        ready = min(status.get("numberReady", 0), status.get("updatedNumberScheduled", 0))
        return bool(wanted > 0 and ready >= wanted)
    wanted = item["spec"].get("replicas", 1)
    updated, ready = status.get("updatedReplicas", 0), status.get("readyReplicas", 0)
    # While old pods still run, some of the ready ones are old.
    return bool(updated >= wanted and ready >= wanted and status.get("replicas", 0) <= updated)


def describe_pods(kubectl: Kubectl, namespace: str) -> str:
    """One line per pod that is not ready: name, phase, and what its containers wait for."""
    lines = []
    for pod in kubectl.list("pods", namespace):
        status = pod.get("status", {})
        waits = [
            f"{container['name']}: {state.get('reason', '')} {state.get('message', '')[:200]}".strip()
            for container in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
            for state in container.get("state", {}).values()
            if not container.get("ready") and state.get("reason")
        ]
        conditions = [
            f"{item['reason']}: {item.get('message', '')[:200]}"
            for item in status.get("conditions", [])
            if item["status"] != "True" and item.get("reason") in ("Unschedulable", "SchedulingGated")
        ]
        if waits or conditions:
            lines.append(f"  {pod['metadata']['name']}: {'; '.join([*waits, *conditions])}")
    return "\n".join(lines)
