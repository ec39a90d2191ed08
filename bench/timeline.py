"""When what happened in a roll-out: changes of objects as kube-apiserver tells them, and the parts that they make up.

Used by P2. Both sides are watched by the same watchers, which stand before anything is measured: whoever asks again and
again instead takes more of two cores than the roll-out that is to be measured. Moments are those at which a change was
told here (milliseconds; Kubernetes itself writes seconds).

    sent -> Deployment changed -> for each instance: made -> placed -> runs -> ready -> complete -> told
"""

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from bench.place import SPACE
from roost.node import machine

KINDS = {"Pod": "pods", "Deployment": "deployments", "App": "apps.roost.dev", "Release": "releases.roost.dev"}
Item = dict[str, Any]


@dataclass(frozen=True)
class Told:
    """One change. `at`: seconds of this machine's monotonic clock."""

    at: float
    type: str
    item: Item

    @property
    def kind(self) -> str:
        """Of the object."""
        return str(self.item["kind"])

    @property
    def name(self) -> str:
        """Of the object."""
        return str(self.item["metadata"]["name"])


def documents(lines: IO[str]) -> Iterator[Item]:
    """What `kubectl --watch -o json` prints: documents one after the other, each in a line or indented."""
    held: list[str] = []
    for line in lines:
        held.append(line)
        whole = len(held) == 1 and line.startswith("{") and line.rstrip("\n").endswith("}")
        if whole or line.rstrip("\n") == "}":
            yield json.loads("".join(held))
            held.clear()


@dataclass
class Timeline:
    """Everything that was told since `start`, and how things stand."""

    told: list[Told] = field(default_factory=list)
    standing: dict[tuple[str, str], Item] = field(default_factory=dict)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _running: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self) -> "Timeline":
        """Watch, from how things stand now; what was told before is forgotten. (A watch ends in time.)"""
        self.stop()
        with self._changed:
            self.told.clear()
            self.standing.clear()
        for plural in KINDS.values():
            command = ["kubectl", "--kubeconfig", str(machine.ADMIN), "-n", SPACE, "get", plural]
            command += ["--watch", "--output-watch-events", "-o", "json"]
            watching = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            with self._changed:
                self._running.append(watching)
            threading.Thread(target=self._read, args=(watching,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Watch no longer."""
        for watching in self._running:
            watching.terminate()
            watching.wait()
        with self._changed:
            self._running.clear()

    def _read(self, watching: subprocess.Popen[str]) -> None:
        assert watching.stdout is not None
        for document in documents(watching.stdout):
            with self._changed:
                if watching not in self._running:
                    return
                self.take(Told(time.monotonic(), document["type"], document["object"]))

    def take(self, change: Told) -> None:
        """Note a change."""
        change.item["metadata"].pop("managedFields", None)  # Half of every object, of a run that may last an hour.
        with self._changed:
            self.told.append(change)
            if change.type == "DELETED":
                self.standing.pop((change.kind, change.name), None)
            else:
                self.standing[change.kind, change.name] = change.item
            self._changed.notify_all()

    def get(self, kind: str, name: str) -> Item | None:
        """An object as it stands."""
        return self.standing.get((kind, name))

    def pods(self, selected: Mapping[str, str]) -> list[Item]:
        """Instances with these labels, also those that end."""
        with self._changed:
            return [item for (kind, _), item in self.standing.items() if kind == "Pod" and labelled(item, selected)]

    def wait(self, what: str, holds: Callable[[], bool], within_s: float = 300) -> float:
        """When it first held (monotonic seconds). RuntimeError where it did not in time, or a watcher ended."""
        deadline = time.monotonic() + within_s
        with self._changed:
            while not holds():
                if any(watching.poll() is not None for watching in self._running):
                    raise RuntimeError("kubectl no longer watches.")
                if not self._changed.wait(min(5.0, deadline - time.monotonic())) and time.monotonic() > deadline:
                    raise RuntimeError(f"{what} took longer than {within_s:.0f} s.")
            return self.told[-1].at if self.told else time.monotonic()


def labelled(item: Item, selected: Mapping[str, str]) -> bool:
    """Whether an object has these labels."""
    return selected.items() <= (item["metadata"].get("labels") or {}).items()


def condition(item: Item, type_: str) -> Item:
    """A condition of an object; empty where it has none of that type."""
    found = (item.get("status") or {}).get("conditions") or ()
    return next((entry for entry in found if entry["type"] == type_), {})


def is_true(item: Item, type_: str) -> bool:
    """Whether a condition holds."""
    return bool(condition(item, type_).get("status") == "True")


def complete(item: Item | None, replicas: int) -> bool:
    """Whether a Deployment's roll-out is over, as `kubectl rollout status` judges it."""
    status: Item = (item or {}).get("status") or {}
    counts = {status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")}
    seen = item is not None and status.get("observedGeneration", 0) >= item["metadata"]["generation"]
    return seen and item is not None and item["spec"]["replicas"] == replicas and counts == {replicas}


def runs(item: Item) -> bool:
    """Whether an instance's container runs."""
    return any("running" in seen["state"] for seen in (item.get("status") or {}).get("containerStatuses") or ())


def _first(told: Sequence[Told], holds: Callable[[Told], bool]) -> float | None:
    return next((change.at for change in told if holds(change)), None)


@dataclass(frozen=True)
class Span:
    """Of a change: when it was sent, when its Deployment was complete, when whoever asked for it was told so."""

    sent: float
    complete: float
    told: float


PARTS = (
    ("until the Release", "Release"),
    ("until the Deployment changes", "Deployment"),
    ("until the first instance is made", "made"),
    ("instances: until placed", "placed"),
    ("instances: until they run", "run"),
    ("instances: until ready", "ready"),
    ("from one ready to the next one made", "next"),
    ("from the last one ready until complete", "complete"),
    ("until whoever asked was told", "told"),
)


def parts(told: Sequence[Told], deployment: str, selected: Mapping[str, str], span: Span) -> dict[str, float]:
    """Seconds of each of PARTS; together they make up the whole. Of instances: the sum over one after the other.

    A part that one side has not (a plain Deployment makes no Release) is absent.
    """
    within = [change for change in told if span.sent <= change.at <= span.told]
    found: dict[str, float] = {}
    begun = span.sent
    released = _first(within, lambda change: change.kind == "Release" and change.type == "ADDED")
    if released is not None:
        found["Release"], begun = released - begun, released
    before = [change for change in told if (change.kind, change.name) == ("Deployment", deployment)]
    old = [change.item["metadata"]["generation"] for change in before if change.at < span.sent]
    changed = _first(
        within,
        lambda change: (
            (change.kind, change.name) == ("Deployment", deployment)
            and change.item["metadata"]["generation"] > (old[-1] if old else 0)
        ),
    )
    if changed is None:
        return found
    found["Deployment"], at = changed - begun, changed
    for number, instance in enumerate(_instances(within, selected)):
        made = max(at, instance["made"])
        found["next" if number else "made"] = found.get("next", 0.0) + made - at if number else made - at
        for name in ("placed", "run", "ready"):
            moment = max(made, instance[name])
            found[name] = found.get(name, 0.0) + moment - made
            made = moment
        at = made
    found["complete"], found["told"] = span.complete - at, span.told - span.complete
    return found


def _instances(within: Sequence[Told], selected: Mapping[str, str]) -> list[dict[str, float]]:
    """When each new instance was made, placed, run and ready; those that were, by when they were made."""
    seen: dict[str, dict[str, float]] = {}
    for change in within:
        if change.kind != "Pod" or not labelled(change.item, selected):
            continue
        if change.type == "ADDED":
            seen.setdefault(change.name, {"made": change.at})
        moments = seen.get(change.name)
        if moments is None:
            continue
        for name, holds in (
            ("placed", bool(change.item["spec"].get("nodeName"))),
            ("run", runs(change.item)),
            ("ready", is_true(change.item, "Ready")),
        ):
            if holds:
                moments.setdefault(name, change.at)
    return sorted((item for item in seen.values() if len(item) == 4), key=lambda item: item["made"])


def ends(told: Sequence[Told], selected: Mapping[str, str], span: tuple[float, float]) -> list[float]:
    """Seconds from when each instance was told to end until it was gone."""
    begun: dict[str, float] = {}
    found = []
    for change in told:
        if change.kind != "Pod" or not labelled(change.item, selected) or not span[0] <= change.at <= span[1]:
            continue
        if "deletionTimestamp" in change.item["metadata"]:
            begun.setdefault(change.name, change.at)
        if change.type == "DELETED" and change.name in begun:
            found.append(change.at - begun[change.name])
    return found
