"""`roost status --tree`: the application, its versions, processes, instances and route, with reasons in words."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import click

from roost.surface.terminal import output as out
from roost.surface.terminal.failure import NOT_ALLOWED, NOT_FOUND, Failure, printable
from roost.surface.terminal.instances import number, state_of, word
from roost.surface.terminal.rollout import version
from roost.surface.terminal.session import Session
from roost.surface.terminal.words import tr

WORDS: Final = 6  # Of what an instance said last, as many lines.
OPEN: Final = ("AwaitingApproval", "AuthorsUnknown", "Frozen")


@dataclass
class Node:
    """A line of the tree: its name, the word of its state, what else there is to say, and lines of reasons beneath."""

    name: str
    state: str = ""
    text: str = ""
    notes: tuple[tuple[str, str], ...] = ()  # (colour, line)
    inner: list["Node"] = field(default_factory=list)


def look(session: Session) -> tuple[Mapping[str, Any], list[Any], list[Any], list[Any]]:
    """(the App, its instances, its versions, what waits to come in)."""
    app = session.api.get(session.of_app())
    instances = session.api.get(session.of_app("instances")).get("items", [])
    shown = {str(out.at(app, f"status.{key}", "")) for key in ("release", "live")} - {""}
    shown |= {str(item.get("release")) for item in instances if item.get("release")}
    releases = [release for name in sorted(shown) if (release := _release(session, name))]
    return app, instances, releases, _waiting(session)


def _release(session: Session, name: str) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = session.api.get(session.of_env("releases", name))
    except Failure as failure:
        if failure.code != NOT_FOUND:
            raise
        return {}  # An instance may outlive its version for a moment.
    return found


def _waiting(session: Session) -> list[Any]:
    try:
        found = session.api.items(session.of_env("promotions"))["items"]
    except Failure as failure:
        if failure.code not in (NOT_FOUND, NOT_ALLOWED):
            raise
        return []
    mine = [item for item in found if out.at(item, "spec.app") == session.app]
    return [item for item in mine if out.at(item, "status.phase", "Pending") == "Pending"]


def grown(session: Session, seen: tuple[Mapping[str, Any], list[Any], list[Any], list[Any]]) -> Node:
    """The tree. The newest version comes first; what waits before the door and the route come last."""
    app, instances, releases, waiting = seen
    ready = out.condition(app)
    why = str(ready.get("message", "")) if ready.get("status") != "True" else ""
    root = Node(session.place, out.state(app), notes=(("yellow", why),) if why else ())
    for release in sorted(releases, key=lambda item: int(out.at(item, "spec.number", 0)), reverse=True):
        root.inner.append(_version(session, app, release, instances))
    known = {out.name_of(release) for release in releases}
    lost = [item for item in instances if item.get("release") not in known]
    root.inner += [_instance(session, item) for item in lost]
    root.inner += [_promotion(session, item) for item in waiting]
    if out.at(app, "status.url"):
        root.inner.append(_route(app))
    return root


def _version(session: Session, app: Any, release: Any, instances: Sequence[Any]) -> Node:
    name = out.name_of(release)
    parts = [str(out.at(release, "spec.cause", "")), str(out.at(release, "spec.author", ""))]
    parts.append(out.since(out.at(release, "metadata.creationTimestamp")))
    if name == out.at(app, "status.release") and name != out.at(app, "status.live"):
        parts.append(tr("on its way"))
    node = Node(version(name), str(out.at(release, "status.phase", "Pending")), "  ".join(filter(None, parts)))
    current = name == out.at(app, "status.release")
    for process in out.at(release, "spec.content.processes", ()):
        mine = [item for item in instances if item.get("release") == name and item.get("process") == process["name"]]
        if mine or current:
            node.inner.append(_process(session, process, mine))
    return node


def _process(session: Session, process: Mapping[str, Any], mine: Sequence[Any]) -> Node:
    ready, wanted = sum(1 for item in mine if item.get("ready")), int(process.get("replicas", 1))
    port = tr("port {port}", port=process["port"]) if process.get("port") else ""
    health = out.at(process, "health.path", "")
    text = "  ".join(filter(None, [tr("{have} of {wanted} ready", have=ready, wanted=wanted), port, health]))
    return Node(str(process["name"]), "", text, inner=[_instance(session, item) for item in mine])


def _instance(session: Session, item: Mapping[str, Any]) -> Node:
    told = word(session, item)
    notes: list[tuple[str, str]] = []
    if told.why:
        notes.append(("yellow", told.why))
    notes += [("", f"| {line}") for line in told.said.splitlines()[-WORDS:]]
    if told.hint:
        notes.append(("cyan", f"→ {told.hint}"))
    text = "  ".join(filter(None, [number(item), out.since(item.get("startedAt"))]))
    return Node(str(item.get("name")), state_of(item), text, tuple(notes))


def _promotion(session: Session, item: Any) -> Node:
    name, told = out.name_of(item), out.condition(item)
    reason = str(told.get("reason") or "Pending")
    notes = [("yellow", str(told.get("message", "")))] if told.get("message") else []
    if reason in OPEN:
        command = f"roost approve {name} -t {session.tenant} -e {session.env}"
        notes.append(("cyan", f"→ {tr('Approve it: `{command}`', command=command)}"))
    return Node(
        tr("waits: {name}", name=name), reason, out.since(out.at(item, "metadata.creationTimestamp")), tuple(notes)
    )


def _route(app: Any) -> Node:
    refused = out.condition(app, "Domains")
    notes = [("yellow", str(refused.get("message", "")))] if refused.get("status") == "False" else []
    more = [Node(str(domain)) for domain in out.at(app, "spec.domains", ())]
    return Node(str(out.at(app, "status.url")), "", tr("route"), tuple(notes), more)


def lines(node: Node, paint: Callable[[str, str], str], lead: str = "", rest: str = "") -> Iterator[str]:
    """The tree as lines; `paint(text, colour)` colours what has a colour."""
    state = paint(node.state, out.style(node.state)) if node.state else ""
    yield (lead + "  ".join(filter(None, [printable(node.name), state, paint(printable(node.text), "dim")]))).rstrip()
    inner = "│  " if node.inner else "   "
    for colour, note in node.notes:
        for part in out.wrapped(printable(note), len(rest + inner)):
            yield rest + inner + paint(part, colour)
    for index, child in enumerate(node.inner):
        last = index == len(node.inner) - 1
        yield from lines(child, paint, rest + ("└─ " if last else "├─ "), rest + ("   " if last else "│  "))


def painted(text: str, colour: str) -> str:
    """As terminals show it; as it is where there is no terminal or no colour is wanted."""
    if not text or not colour or not out.coloured():
        return text
    return click.style(text, dim=True) if colour == "dim" else click.style(text, fg=colour)


def show(session: Session, seen: tuple[Mapping[str, Any], list[Any], list[Any], list[Any]]) -> None:
    """Print the tree."""
    for line in lines(grown(session, seen), painted):
        out.write(line)
