"""Open merge requests of a forge: their newest commits stand in the hosted repository, and those of closed ones go.

What is open is asked of the forge at each look, and no webhook's word counts: one that is replayed opens nothing.
"""

from pathlib import Path

from roost.adapters.forge import ForgeFailed
from roost.adapters.forges import FORGES
from roost.builds.sources.bench import FetchFailed, Place, hosted, run, settings
from roost.model.fetch_task import FetchTask
from roost.model.kinds.forge import TOKEN
from roost.model.refs import REQUESTS, request_of

MOST = 50  # Those with the highest numbers.


def follow(task: FetchTask, place: Place, folder: Path, environment: dict[str, str]) -> bool:
    """Whether anything moved. `folder`: the mirror; `environment`: how git reaches the source. FetchFailed."""
    if not task.forge:
        return False
    wanted = _open(task, place)
    there = _there(task, place)
    names = {theirs: ours for ours, theirs in wanted.items()}
    if wanted:
        fetch = ["git", "-C", str(folder), "fetch", "--quiet", "--no-tags", "--end-of-options", task.url]
        refs = [f"+{theirs}:{ours}" for theirs, ours in names.items()]
        run(place, [*fetch, *refs], environment, "Fetching merge requests")
    here = {ref: _commit(place, folder, ref) for ref in wanted}
    moved = [f"+{ref}:{ref}" for ref, commit in here.items() if there.get(ref) != commit]
    closed = [f":{ref}" for ref in there if ref not in wanted]
    if moved or closed:
        address, own = hosted(task, place)
        push = ["git", "-C", str(folder), "push", "--quiet", "--end-of-options", address]
        # One push each: where one push moves many refs, none of them is built.
        for change in (moved[at : at + 1] for at in range(len(moved))):
            run(place, [*push, *change], own, "Keeping merge requests")
        if closed:
            run(place, [*push, *closed], own, "Closing merge requests")
    return bool(moved)


def _open(task: FetchTask, place: Place) -> dict[str, str]:
    """{our ref: the forge's ref} of the open requests."""
    file = place.forge / TOKEN if place.forge else None
    token = file.read_text().strip() if file and file.exists() else ""
    bundle = Path(place.bundle())
    forge = FORGES[task.forge](task.forge_api, task.forge_repository, token, bundle, task.proxy)
    try:
        found = forge.requests(task.branch)
    except ForgeFailed as error:
        raise FetchFailed(error.reason, f"Open merge requests: {error}") from error
    newest = sorted(found, key=lambda item: item.number, reverse=True)
    mine = [item for item in newest if task.forks or not item.fork][:MOST]
    return {f"{REQUESTS}{item.number}/{'fork' if item.fork else 'head'}": forge.ref(item.number) for item in mine}


def _there(task: FetchTask, place: Place) -> dict[str, str]:
    """What the hosted repository has of merge requests."""
    address, environment = hosted(task, place)
    command = ["git", "ls-remote", "--end-of-options", address, f"{REQUESTS}*"]
    lines = run(place, command, environment, "Reading the hosted repository").splitlines()
    found = {ref: commit for commit, _, ref in (line.partition("\t") for line in lines)}
    return {ref: commit for ref, commit in found.items() if request_of(ref) is not None}


def _commit(place: Place, folder: Path, ref: str) -> str:
    return run(place, ["git", "-C", str(folder), "rev-parse", ref], settings([]), "Reading a merge request").strip()
