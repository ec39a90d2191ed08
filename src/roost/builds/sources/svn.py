"""Subversion over https, http and svn: the newest revision beneath a folder, or beneath parts of it, as a commit."""

import re
from pathlib import Path
from typing import Any, Final

from defusedxml import ElementTree

from roost.builds.sources.bench import (
    FetchFailed,
    Place,
    commit_all,
    hosted,
    hosted_commit,
    push,
    run,
    settings,
    trailer,
)
from roost.model.fetch_task import FetchReport, FetchTask
from roost.model.refs import TAGS, matches

TRAILER: Final = "Svn-Revision"
SEEN: Final = "Svn-Head"  # The repository's newest revision when it was looked at.
Access = tuple[list[str], str | None]  # Options of svn, and what it reads.
TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,98}[A-Za-z0-9_]|[A-Za-z0-9_]")
MOST_TAGS: Final = 3  # Of one look: so many refs of one push are built.
PLACE: Final = "Svn-Place"  # Where the revision was looked at: another folder is another commit, also at the same one.


def look(task: FetchTask, place: Place) -> FetchReport:
    """The newest revision as a commit after the hosted branch's last, or nothing where that holds it already."""
    options = ["--non-interactive", "--no-auth-cache", "--config-dir", str(_configuration(task, place))]
    stdin = None
    if place.secret("username"):
        options += ["--username", place.secret("username"), "--password-from-stdin"]
        stdin = place.secret("password")
    changes = [_change(place, options, stdin, address) for address, _ in _parts(task)]
    revision, author, date, youngest = max(changes, key=lambda change: int(change[0]))
    where = " ".join(address for address, _ in _parts(task))
    folder, tree = place.work / "hosted.git", place.work / "tree"
    head = hosted_commit(task, place, folder)
    stands, at = _stands(place, folder, head) if head else ("", "")
    tags = _tags(task, place, folder, (options, stdin), head) if head else []
    if head and (stands, at) in ((revision, where), (revision, "")):
        if tags:
            push(task, place, folder, head, tags)
        return FetchReport(ok=True, commit=head, revision=revision, moved=bool(tags))
    export = ["svn", "export", "--quiet", "--ignore-externals", "-r", revision, *options]
    for address, part in _parts(task):
        target = tree / part if part else tree
        target.parent.mkdir(parents=True, exist_ok=True)
        run(place, [*export, "--", f"{address}@{revision}", str(target)], {}, "Exporting", stdin)
    message = f"Revision {revision} of Subversion\n\n{TRAILER}: {revision}\n{PLACE}: {where}\n{SEEN}: {youngest}\n"
    commit = commit_all(place, folder, tree, head, (author, date, message))
    push(task, place, folder, commit, tags)
    return FetchReport(ok=True, commit=commit, revision=revision, moved=True)


def _tags(task: FetchTask, place: Place, folder: Path, access: Access, head: str) -> list[str]:
    """Refs of the newest tags that were made since the commit `head`, each a commit of its own: what a first look meets
    was made before anybody followed. A tag that changes later stays what it was.
    """
    if not task.tags:
        return []
    options, stdin = access
    base = f"{task.url.rstrip('/')}/{task.tags}"
    told = run(place, ["svn", "list", "--xml", *options, "--", f"{base}@HEAD"], {}, "Listing the tags", stdin)
    there = _hosted_tags(task, place)
    seen = trailer(place, folder, head, SEEN) or trailer(place, folder, head, TRAILER) or "0"
    found = []
    for entry in ElementTree.fromstring(told).iterfind("./list/entry[@kind='dir']"):
        name, change = entry.findtext("name") or "", entry.find("commit")
        revision = (change.get("revision") or "") if change is not None else ""
        ref = f"{TAGS}{name}"
        fits = TAG.fullmatch(name) and not name.endswith(".lock") and ".." not in name
        if not fits or not revision.isdigit() or int(revision) <= int(seen) or ref in there:
            continue
        if any(matches(pattern, ref) for pattern in task.refs):
            found.append((int(revision), name, entry))
    return [_tag(task, place, folder, access, item) for item in sorted(found, key=lambda item: item[:2])[-MOST_TAGS:]]


def _hosted_tags(task: FetchTask, place: Place) -> set[str]:
    address, environment = hosted(task, place)
    listing = ["git", "ls-remote", "--tags", "--refs", "--end-of-options", address]
    told = run(place, listing, environment, "Reading the hosted repository")
    return {line.partition("\t")[2] for line in told.splitlines()}


def _tag(task: FetchTask, place: Place, folder: Path, access: Access, item: tuple[int, str, Any]) -> str:
    """The ref of one tag, in the local repository."""
    options, stdin = access
    revision, name, entry = item
    address, tree = f"{task.url.rstrip('/')}/{task.tags}/{name}", place.work / f"tag-{name}"
    export = ["svn", "export", "--quiet", "--ignore-externals", "-r", str(revision), *options]
    run(place, [*export, "--", f"{address}@{revision}", str(tree)], {}, "Exporting a tag", stdin)
    message = f"Revision {revision} of Subversion\n\n{TRAILER}: {revision}\n{PLACE}: {address}\n"
    said = entry.findtext("commit/author") or "nobody", entry.findtext("commit/date") or "", message
    commit = commit_all(place, folder, tree, "", said)
    update = ["git", "-C", str(folder), "update-ref", f"{TAGS}{name}", commit]
    run(place, update, settings([]), "Keeping a tag")
    return f"{TAGS}{name}"


def _parts(task: FetchTask) -> list[tuple[str, str]]:
    """(address, path in the commit) of all that is exported. A part within another comes with that."""
    base = "/".join(part for part in (task.url.rstrip("/"), task.path) if part)
    wanted = sorted(set(task.only))
    outer = [one for one in wanted if not any(one.startswith(f"{other}/") for other in wanted)]
    return [(f"{base}/{part}", part) for part in outer] or [(base, "")]


def _stands(place: Place, folder: Path, head: str) -> tuple[str, str]:
    """(revision, place) of a commit; commits of an older Roost name no place."""
    return trailer(place, folder, head, TRAILER), trailer(place, folder, head, PLACE)


def _configuration(task: FetchTask, place: Place) -> Path:
    """A configuration folder of our own: which certificates count, and no tunnel to any program."""
    folder = place.work / "svn"
    folder.mkdir(exist_ok=True)
    lines = ["[global]", f"ssl-authority-files = {place.bundle()}", "store-passwords = no", "http-timeout = 60"]
    host, _, port = task.proxy.removeprefix("http://").rstrip("/").partition(":")
    if host and port:
        lines += [f"http-proxy-host = {host}", f"http-proxy-port = {port}"]
    (folder / "servers").write_text("\n".join(lines) + "\n")
    (folder / "config").write_text("[tunnels]\nssh = false\n")
    return folder


def _change(place: Place, options: list[str], stdin: str | None, address: str) -> tuple[str, str, str, str]:
    """(revision, author, date) of the last change beneath an address, and the newest revision of all."""
    told = run(place, ["svn", "info", "--xml", *options, "--", f"{address}@HEAD"], {}, "Asking Subversion", stdin)
    read = ElementTree.fromstring(told)
    entry, found = read.find("./entry"), read.find("./entry/commit")
    if entry is None or found is None or not (found.get("revision") or "").isdigit():
        raise FetchFailed("FetchFailed", "Subversion named no revision.")
    revision, youngest = str(found.get("revision")), entry.get("revision") or ""
    youngest = youngest if youngest.isdigit() else revision
    return revision, found.findtext("author") or "nobody", found.findtext("date") or "", youngest
