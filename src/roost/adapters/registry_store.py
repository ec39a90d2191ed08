"""The registry's store on disk: what is in it, and the collection of what nobody needs, for `roost.mains.collect`.

It works while the registry serves, on the layout of the distribution project (no cache of descriptors may be on):

    repositories/<name>/_manifests/revisions/sha256/<digest>/link    a manifest that the repository has
    repositories/<name>/_manifests/tags/<tag>/current/link           what a tag names now
    repositories/<name>/_layers/sha256/<digest>/link                 a blob that the repository may use
    blobs/sha256/<2 digits>/<digest>/data                            the content, shared by all repositories

A push in flight never loses: links younger than the grace period stay; content goes only when no repository has linked
it since the run began, goes aside first, and comes back when somebody linked it meanwhile.
"""

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from roost.model.kept import NEWEST

BASES = "base/"
LARGEST_MANIFEST = 8 * 1024 * 1024
ASIDE = "roost-aside"


@dataclass(frozen=True)
class Revision:
    """A manifest in a repository. `since` is when it was pushed, in seconds of the epoch."""

    digest: str
    since: float


@dataclass(frozen=True)
class Needs:
    """What must stay. Digests are bare hexadecimal."""

    pinned: frozenset[str]  # Named by Releases, Apps and Promotions.
    tenants: frozenset[str]  # Of others nothing is kept but what is pinned or young.
    newest: int = 40  # Of each repository, for promotions by hand; an image brings its bill, findings and their index.
    grace_s: float = 86_400.0  # What is younger stays.


@dataclass
class Report:
    """What a collection did."""

    manifests: int = 0
    links: int = 0
    blobs: int = 0
    bytes: int = 0
    restored: int = 0
    repositories: list[str] = field(default_factory=list)


def unneeded(repository: str, revisions: Iterable[Revision], tagged: set[str], needs: Needs, now: float) -> set[str]:
    """Digests of manifests that may go. Bases keep what has a tag; parts of an index are judged by `Store.dropped`."""
    held = sorted(revisions, key=lambda item: item.since, reverse=True)
    kept = {item.digest for item in held if item.digest in needs.pinned or now - item.since < needs.grace_s}
    if repository.startswith(BASES):
        kept |= tagged
    elif repository.split("/", 1)[0] in needs.tenants:
        kept |= {item.digest for item in held[: needs.newest]}
    return {item.digest for item in held} - kept


class Store:
    """The store below `root`, the folder that holds `repositories` and `blobs`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.repositories_root = root / "repositories"
        self.aside = root / ASIDE

    def repositories(self) -> list[str]:
        """Names of all repositories."""
        found = (path.parent for path in self.repositories_root.glob("**/_manifests"))
        return sorted(str(path.relative_to(self.repositories_root)) for path in found)

    def revisions(self, repository: str) -> list[Revision]:
        """The manifests of a repository."""
        folder = self.repositories_root / repository / "_manifests" / "revisions" / "sha256"
        return [Revision(path.parent.name, path.stat().st_mtime) for path in folder.glob("*/link")]

    def tags(self, repository: str) -> dict[str, str]:
        """Digest by tag."""
        folder = self.repositories_root / repository / "_manifests" / "tags"
        return {
            path.parent.parent.name: path.read_text().strip().removeprefix("sha256:")
            for path in folder.glob("*/current/link")
        }

    def blob(self, digest: str) -> Path:
        """Where the content of a digest lies."""
        return self.root / "blobs" / "sha256" / digest[:2] / digest

    def manifest(self, digest: str) -> dict[str, Any]:
        """A manifest's content; empty where it is missing or no JSON."""
        path = self.blob(digest) / "data"
        try:
            if path.stat().st_size > LARGEST_MANIFEST:
                return {}
            loaded = json.loads(path.read_bytes())
        except (OSError, ValueError):
            return {}
        return loaded if isinstance(loaded, dict) else {}

    def parts(self, digest: str) -> set[str]:
        """Everything that a manifest needs: itself, configuration, layers, the manifests of an index with theirs."""
        found = {digest}
        body = self.manifest(digest)
        items = [body.get("config"), *body.get("layers", []), *body.get("manifests", [])]
        named = [
            str(item["digest"]).removeprefix("sha256:") for item in items if isinstance(item, dict) and "digest" in item
        ]
        for part in named:
            if part not in found:
                found |= self.parts(part) if body.get("manifests") else {part}
        return found

    def attachments(self, repository: str, revisions: Iterable[Revision]) -> dict[str, str]:
        """What is there for another manifest, such as a bill of materials: digest -> digest of what it is about.

        Empty where it is about none that can be told, as a cache is. The list of what is about a manifest, which has
        the tag `sha256-<digest>`, counts as such a thing too.
        """
        tags = {digest: tag for tag, digest in self.tags(repository).items()}
        found: dict[str, str] = {}
        for item in revisions:
            body = self.manifest(item.digest)
            listed = body.get("manifests")
            if body.get("artifactType"):
                subject = body.get("subject")
                about = str(subject.get("digest", "")) if isinstance(subject, dict) else ""
                found[item.digest] = about.removeprefix("sha256:")
            elif listed and all(isinstance(part, dict) and part.get("artifactType") for part in listed):
                tag = tags.get(item.digest, "")
                found[item.digest] = tag.removeprefix("sha256-") if tag.startswith("sha256-") else ""
        return found

    def dropped(self, repository: str, needs: Needs, now: float) -> set[str]:
        """Manifests of a repository that may go: an index's parts and what is about an image only together with it."""
        revisions = self.revisions(repository)
        attached = self.attachments(repository, revisions)
        images = [item for item in revisions if item.digest not in attached]
        tagged = set(self.tags(repository).values())
        gone = unneeded(repository, images, tagged, needs, now)
        for item in images:
            if item.digest not in gone:
                gone -= self.parts(item.digest) - {item.digest}
        held = {item.digest for item in images} - gone
        counted = self._counted(repository, revisions, attached, tagged, needs)
        for item in revisions:
            about = attached.get(item.digest)
            kept = now - item.since < needs.grace_s or about in held or (about == "" and item.digest in tagged and held)
            if item.digest in counted:
                kept = counted[item.digest] or now - item.since < needs.grace_s
            if about is not None and not kept:
                gone.add(item.digest)
        return gone

    def _counted(
        self, repository: str, revisions: list[Revision], attached: Mapping[str, str], tagged: set[str], needs: Needs
    ) -> dict[str, bool]:
        """Whether what is kept by its number stays: the newest of its type, while they have a tag and a tenant."""
        found: dict[str, bool] = {}
        seen: dict[str, int] = {}
        for item in sorted(revisions, key=lambda item: item.since, reverse=True):
            kind = str(self.manifest(item.digest).get("artifactType", ""))
            if kind not in NEWEST or attached.get(item.digest) != "":
                continue
            there = item.digest in tagged and repository.split("/", 1)[0] in needs.tenants
            seen[kind] = seen.get(kind, 0) + there
            found[item.digest] = there and seen[kind] <= NEWEST[kind]
        return found

    def links(self, repository: str) -> dict[str, Path]:
        """Blobs that a repository may use: the folder of each link by digest."""
        folder = self.repositories_root / repository / "_layers" / "sha256"
        return {path.parent.name: path.parent for path in folder.glob("*/link")}

    def linked(self) -> set[str]:
        """Every digest that some repository links, as a blob or as a manifest."""
        found: set[str] = set()
        for repository in self.repositories():
            found |= set(self.links(repository)) | {item.digest for item in self.revisions(repository)}
        return found

    def blobs(self) -> Iterator[tuple[str, Path]]:
        """(digest, folder) of every content."""
        for path in (self.root / "blobs" / "sha256").glob("*/*/data"):
            yield path.parent.name, path.parent


def remove_manifest(store: Store, repository: str, digest: str) -> None:
    """Take a manifest and the tags that name it out of a repository."""
    folder = store.repositories_root / repository / "_manifests"
    for tag, named in store.tags(repository).items():
        if named == digest:
            shutil.rmtree(folder / "tags" / tag, ignore_errors=True)
    shutil.rmtree(folder / "revisions" / "sha256" / digest, ignore_errors=True)


def settle_aside(store: Store, linked: set[str], report: Report) -> None:
    """Bring back what was put aside and is linked again; delete the rest."""
    if not store.aside.is_dir():
        return
    for path in store.aside.iterdir():
        if path.name in linked and not store.blob(path.name).exists():
            store.blob(path.name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, store.blob(path.name))
            report.restored += 1
        else:
            shutil.rmtree(path, ignore_errors=True)


def collect(store: Store, needs: Needs, now: float) -> Report:
    """Collect once. Contents that lose their last link in this run are judged in the next one."""
    report = Report(repositories=store.repositories())
    linked = store.linked()
    settle_aside(store, linked, report)
    store.aside.mkdir(exist_ok=True)
    for digest, folder in store.blobs():
        size, changed = (folder / "data").stat().st_size, (folder / "data").stat().st_mtime
        if digest not in linked and now - changed > needs.grace_s:
            os.replace(folder, store.aside / digest)
            report.blobs += 1
            report.bytes += size
    again = store.linked()
    for path in list(store.aside.iterdir()):
        if path.name in again and not store.blob(path.name).exists():
            os.replace(path, store.blob(path.name))
            report.restored += 1
    for repository in report.repositories:
        if not all(store.manifest(item.digest) for item in store.revisions(repository)):
            continue  # What one manifest needs cannot be told, so nothing here may go.
        for digest in store.dropped(repository, needs, now):
            remove_manifest(store, repository, digest)
            report.manifests += 1
        used: set[str] = set()
        for item in store.revisions(repository):
            used |= store.parts(item.digest)
        for digest, folder in store.links(repository).items():
            if digest not in used and now - (folder / "link").stat().st_mtime > needs.grace_s:
                shutil.rmtree(folder, ignore_errors=True)
                report.links += 1
    return report
