"""Objects of any kind for commands: where they stand in the API, reading files of them, sending one.

Used by `roost get`, `apply`, `explain`, `delete` and `diff -f`. What a file does not mention stays as it is: an
application's version and its secrets are written by others, and a file need not repeat them.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from roost.surface.terminal import output as out
from roost.surface.terminal.failure import NOT_FOUND, USAGE, Failure
from roost.surface.terminal.session import Session
from roost.surface.terminal.words import tr

if TYPE_CHECKING:
    from roost.model.resource import Resource

What = Literal["created", "changed", "unchanged"]
SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True)
class Done:
    """What became of a document: `name` is `app/shop`."""

    name: str
    what: What
    before: Mapping[str, Any]
    after: Mapping[str, Any]

    @property
    def told(self) -> str:
        """`app/shop changed`, for people."""
        return f"{self.name} " + {"created": tr("created"), "changed": tr("changed")}.get(self.what, tr("unchanged"))


def kind_named(word: str) -> "type[Resource]":
    """The kind that is meant; Failure (usage) says which there are."""
    from roost.kernel.discovery import kinds
    from roost.surface.kinds import find

    found = find(word)
    if found is None:
        raise Failure(
            tr("There is no kind {word!r}.", word=word),
            why=tr("There are: {names}.", names=", ".join(kind.PLURAL for kind in kinds())),
            code=USAGE,
        )
    return found


def collection(session: Session, kind: "type[Resource]", *rest: str) -> str:
    """The path of a kind's collection, or of one of its objects, in the session's tenant and environment."""
    from roost.surface.kinds import BUILD_KINDS

    if not kind.NAMESPACED:
        return "/".join([f"/v1/{kind.PLURAL}", *rest])
    if kind.KIND in BUILD_KINDS:
        return session.of_tenant(kind.PLURAL, *rest)
    return session.of_env(kind.PLURAL, *rest)


def read_documents(session: Session, files: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Every object of the files (a directory: its YAML and JSON files, by name; `-`: standard input), in order."""
    for file in files:
        for name, text in _texts(session.directory, file):
            yield from _parsed(name, text)


def _texts(directory: Path, file: str) -> Iterator[tuple[str, str]]:
    if file == "-":
        yield "-", sys.stdin.read()
        return
    path = directory / Path(file).expanduser()
    inside = sorted(item for item in path.iterdir() if item.suffix in SUFFIXES) if path.is_dir() else [path]
    for item in inside:
        try:
            yield str(item), item.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise Failure(tr("{file} cannot be read.", file=item), why=str(error), code=USAGE) from error


def _parsed(name: str, text: str) -> Iterator[dict[str, Any]]:
    import yaml

    try:
        documents = [item for item in yaml.safe_load_all(text) if item is not None]
    except yaml.YAMLError as error:
        raise Failure(tr("{file} cannot be read.", file=name), why=str(error), code=USAGE) from error
    for item in documents:
        if not isinstance(item, dict) or not isinstance(item.get("kind"), str):
            raise Failure(tr("{file} is not as it should be.", file=name), why=tr("An object has no kind."), code=USAGE)
        if item["kind"] == "List":
            yield from (part for part in item.get("items", ()) if isinstance(part, dict))
        else:
            yield item


def place_of(session: Session, document: Mapping[str, Any]) -> None:
    """Take tenant and environment from the document's namespace, where it names one."""
    from roost.model.names import split_namespace

    namespace = out.at(document, "metadata.namespace")
    place = split_namespace(str(namespace)) if namespace else None
    if namespace and place is None:
        raise Failure(tr("{namespace} is no environment.", namespace=namespace), code=USAGE)
    if place is not None:
        session.go(*place)


def send(session: Session, document: Mapping[str, Any], dry_run: bool) -> Done:
    """Create the object, or change what the document says of it; what it does not mention stays."""
    kind = kind_named(str(document.get("kind", "")))
    name = str(out.at(document, "metadata.name", ""))
    if not name:
        raise Failure(tr("An object of kind {kind} has no name.", kind=kind.KIND), code=USAGE)
    place_of(session, document)
    title = f"{kind.KIND.lower()}/{name}"
    labels = {key: out.at(document, f"metadata.{key}") for key in ("labels", "annotations")}
    metadata = {key: value for key, value in labels.items() if value}
    spec = document.get("spec") or {}
    try:
        before: Mapping[str, Any] = session.api.get(collection(session, kind, name))
    except Failure as failure:
        if failure.code != NOT_FOUND:
            raise
        body = {"metadata": {"name": name, **metadata}, "spec": spec}
        made = session.api.send("POST", collection(session, kind), body, params={"dryRun": dry_run})
        return Done(title, "created", {}, made)
    body = {"metadata": metadata, "spec": spec}
    after = session.api.send("PATCH", collection(session, kind, name), body, params={"dryRun": dry_run})
    same = all(_meant(before, key) == _meant(after, key) for key in ("spec", "metadata.labels", "metadata.annotations"))
    return Done(title, "unchanged" if same else "changed", before, after)


def _meant(row: Mapping[str, Any], dotted: str) -> Any:
    """What people said at `a.b`; who wrote it last does not count."""
    found = out.at(row, dotted, {})
    return {key: value for key, value in found.items() if not str(key).startswith("roost.dev/")}
