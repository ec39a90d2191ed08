"""Subversion over https, http and svn: the newest revision beneath a folder, or beneath parts of it, as a commit."""

from pathlib import Path
from typing import Final

from defusedxml import ElementTree

from roost.builds.sources.bench import FetchFailed, Place, commit_all, hosted_commit, push, run, trailer
from roost.model.fetch_task import FetchReport, FetchTask

TRAILER: Final = "Svn-Revision"
PLACE: Final = "Svn-Place"  # Where the revision was looked at: another folder is another commit, also at the same one.


def look(task: FetchTask, place: Place) -> FetchReport:
    """The newest revision as a commit after the hosted branch's last, or nothing where that holds it already."""
    options = ["--non-interactive", "--no-auth-cache", "--config-dir", str(_configuration(task, place))]
    stdin = None
    if place.secret("username"):
        options += ["--username", place.secret("username"), "--password-from-stdin"]
        stdin = place.secret("password")
    changes = [_change(place, options, stdin, address) for address, _ in _parts(task)]
    revision, author, date = max(changes, key=lambda change: int(change[0]))
    where = " ".join(address for address, _ in _parts(task))
    folder, tree = place.work / "hosted.git", place.work / "tree"
    head = hosted_commit(task, place, folder)
    if head and _stands(place, folder, head) in ((revision, where), (revision, "")):
        return FetchReport(ok=True, commit=head, revision=revision, moved=False)
    export = ["svn", "export", "--quiet", "--ignore-externals", "-r", revision, *options]
    for address, part in _parts(task):
        target = tree / part if part else tree
        target.parent.mkdir(parents=True, exist_ok=True)
        run(place, [*export, "--", f"{address}@{revision}", str(target)], {}, "Exporting", stdin)
    message = f"Revision {revision} of Subversion\n\n{TRAILER}: {revision}\n{PLACE}: {where}\n"
    commit = commit_all(place, folder, tree, head, (author, date, message))
    push(task, place, folder, commit)
    return FetchReport(ok=True, commit=commit, revision=revision, moved=True)


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


def _change(place: Place, options: list[str], stdin: str | None, address: str) -> tuple[str, str, str]:
    """(revision, author, date) of the last change beneath an address."""
    told = run(place, ["svn", "info", "--xml", *options, "--", f"{address}@HEAD"], {}, "Asking Subversion", stdin)
    found = ElementTree.fromstring(told).find("./entry/commit")
    if found is None or not (found.get("revision") or "").isdigit():
        raise FetchFailed("FetchFailed", "Subversion named no revision.")
    return str(found.get("revision")), found.findtext("author") or "nobody", found.findtext("date") or ""
