"""git over https, http and ssh: the project's branch as it stands there, and other refs that the project has built."""

from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from roost.builds.sources import requests
from roost.builds.sources.bench import FetchFailed, Place, hosted, hosted_head, proxy, push, run, settings
from roost.model.fetch_task import FetchReport, FetchTask

# git tells a helper's caller `username=` and `password=`; both are read from the mounted Secret.
HELPER: Final = (
    '!f() { test "$1" = get && echo "username=$(cat {0}/username)" && echo "password=$(cat {0}/password)"; }; f'
)

MOST_REFS: Final = 5000  # Beside the branch; each may be a word on git's command line.
MOST_NAMED: Final = 500_000  # Characters of all of them.


def look(task: FetchTask, place: Place) -> FetchReport:
    """Fetch the branch; push it to the hosted repository where that stands elsewhere."""
    folder = place.work / "mirror.git"
    config = [("http.sslCAInfo", place.bundle()), ("http.followRedirects", "initial")]
    if place.secret("username") or place.secret("password"):
        helper = HELPER.replace("{0}", str(place.source))
        config += [(f"credential.{origin}.helper", helper) for origin in origins(task.url)]
    environment = settings(config) | proxy(task) | _ssh(place)
    run(place, ["git", "init", "--quiet", "--bare", "--template=", str(folder)], environment, "Making a repository")
    others = _present(task, place, environment)
    wanted = [f"+{ref}:{ref}" for ref in (f"refs/heads/{task.branch}", *others)]
    fetch = ["git", "-C", str(folder), "fetch", "--quiet", "--no-tags", "--end-of-options", task.url, *wanted]
    run(place, fetch, environment, "Fetching")
    parse = ["git", "-C", str(folder), "rev-parse", f"refs/heads/{task.branch}"]
    commit = run(place, parse, environment, "Reading the branch").strip()
    moved = hosted_head(task, place, folder) != commit
    news = _others(task, place, folder)
    if moved or news:
        push(task, place, folder, commit, news)
    asked = requests.follow(task, place, folder, environment)
    return FetchReport(ok=True, commit=commit, moved=moved or bool(news) or asked)


def origins(url: str) -> list[str]:
    """Who is told the credentials: the source's own server, also by TLS where it leads there. A redirect elsewhere is
    followed without them.
    """
    parts = urlsplit(url)
    own = [f"{parts.scheme}://{parts.netloc}"]
    return [*own, f"https://{parts.netloc}"] if parts.scheme == "http" and parts.port is None else own


def _present(task: FetchTask, place: Place, environment: dict[str, str]) -> list[str]:
    """The patterns of other refs that may be asked for: git takes one that names a single ref only if that is there."""
    if not task.refs:
        return []
    listing = ["git", "ls-remote", "--refs", "--end-of-options", task.url, *task.refs]
    told = run(place, listing, environment, "Asking for refs")
    there = {line.partition("\t")[2] for line in told.splitlines()}
    if len(there) > MOST_REFS or sum(map(len, there)) > MOST_NAMED:
        words = f"The triggers name {len(there)} branches and tags of the source: name {MOST_REFS} at most."
        raise FetchFailed("TooManyRefs", words)
    return [ref for ref in task.refs if "*" in ref or ref in there]


def _others(task: FetchTask, place: Place, folder: Path) -> list[str]:
    """The refs beside the branch that the hosted repository has not, or has elsewhere."""
    if not task.refs:
        return []
    address, environment = hosted(task, place)
    there = run(place, ["git", "ls-remote", "--end-of-options", address], environment, "Reading the hosted repository")
    known = {tuple(line.split("\t")) for line in there.splitlines()}
    listing = ["git", "-C", str(folder), "for-each-ref", "--format=%(objectname)%09%(refname)"]
    here = [line.split("\t") for line in run(place, listing, settings([]), "Reading the refs").splitlines()]
    own = f"refs/heads/{task.branch}"
    return [ref for target, ref in here if ref != own and (target, ref) not in known]


def _ssh(place: Place) -> dict[str, str]:
    """The command by which git reaches ssh: this key, these hosts, nothing else of the machine."""
    key, hosts = place.source / "ssh-privatekey", place.source / "known_hosts"
    if not key.exists():
        return {"GIT_SSH_COMMAND": "false"}
    if not hosts.exists():
        raise FetchFailed("HostUnknown", "The credentials hold a key but no `known_hosts`: add the host's public key.")
    own = place.work / "key"  # ssh takes no key that others may read.
    own.write_text(key.read_text().rstrip("\n") + "\n")
    own.chmod(0o600)
    options = ["BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=yes", "ConnectTimeout=20"]
    words = [
        "ssh",
        "-F",
        "none",
        "-i",
        str(own),
        "-o",
        f"UserKnownHostsFile={hosts}",
        "-o",
        "GlobalKnownHostsFile=none",
    ]
    return {"GIT_SSH_COMMAND": " ".join([*words, *(word for option in options for word in ("-o", option))])}
