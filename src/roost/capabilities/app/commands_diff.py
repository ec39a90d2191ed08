"""`roost diff`: before a change. What is intended against what serves; a version against it; files against what is."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import click

from roost.surface.terminal import output as out
from roost.surface.terminal.difference import Change, difference
from roost.surface.terminal.failure import USAGE, Failure, printable
from roost.surface.terminal.manifests import read_documents, send
from roost.surface.terminal.repository import Repository
from roost.surface.terminal.rollout import version
from roost.surface.terminal.session import Session
from roost.surface.terminal.shape import command, output, pass_session, target
from roost.surface.terminal.words import tr

DIFFERS: Final = 1
SHOWN: Final = 20  # Commits.


@command(
    "diff",
    examples=(
        "roost diff                       # what is intended, and committed here, against what serves",
        "roost diff v12                   # a version against what serves",
        "roost diff --to prod             # the application here against the one in another environment",
        "roost diff -f app.yaml           # what `roost apply -f app.yaml` would change",
    ),
)
@click.argument("version_", metavar="[VERSION]", required=False)
@click.option("-f", "--file", "files", multiple=True, metavar="FILE", help="Objects in YAML; - is standard input.")
@click.option("--to", "other", metavar="ENV", help="Against the same application in another environment.")
@click.option("--exit-code", is_flag=True, help="End with 1 where there is a difference, as diff does.")
@target("app")
@output
@pass_session
def diff(session: Session, version_: str | None, files: tuple[str, ...], other: str | None, exit_code: bool) -> int:
    """Show what differs, before a change: intent, a version, files or another environment against what is."""
    if sum(map(bool, (files, version_, other))) > 1:
        raise Failure(tr("Give a version, files or another environment, and only one of them."), code=USAGE)
    if other:
        differs = _of_environments(session, other)
    else:
        differs = _of_files(session, files) if files else _of_app(session, version_)
    return DIFFERS if differs and exit_code else 0


def _print(session: Session, title: str, changes: Iterable[Change]) -> bool:
    found = list(changes)
    if session.machine:
        rows = [{"name": item.field, "old": item.old, "new": item.new} for item in found]
        out.show_list({"items": rows}, (), session.output)
        return bool(found)
    if title:
        out.say(title)
    for change in found:
        out.write(change.text if out.coloured() else click.unstyle(change.text))
    return bool(found)


def _of_app(session: Session, wanted: str | None) -> bool:
    app = session.api.get(session.of_app())
    live = str(out.at(app, "status.live", "") or out.at(app, "status.release", ""))
    serving: Mapping[str, Any] = {}
    if live:
        serving = _content(out.at(session.api.get(session.of_env("releases", live)), "spec.content", {}))
    if wanted:
        number = wanted.removeprefix("v")
        if not number.isdecimal():
            raise Failure(tr("{value!r} is no version: v7, for example.", value=wanted), code=USAGE)
        release = session.api.get(session.of_env("releases", f"{session.app}-v{number}"))
        other = _content(out.at(release, "spec.content", {}))
        title = tr("From what serves ({version}) to v{number}:", version=version(live) or "-", number=number)
    else:
        other = _content(out.at(app, "spec", {}))
        title = tr("From what serves ({version}) to what is intended:", version=version(live) or "-")
    differs = _print(session, title, difference(serving, other))
    if not differs and not session.machine:
        out.say(tr("There is no difference."))
    return _commits(session, serving) or differs if not wanted and not session.machine else differs


def _of_environments(session: Session, other: str) -> bool:
    """Each environment's own App is what it sets differently: this is all of it at a glance."""
    here, origin = _content(out.at(session.api.get(session.of_app()), "spec", {})), session.place
    session.move(other)
    there = _content(out.at(session.api.get(session.of_app()), "spec", {}))
    if here.get("secretVersion") and there.get("secretVersion"):
        # Each is told by a salt of its own: the same secrets have other versions there.
        here, there = ({key: value for key, value in item.items() if key != "secretVersion"} for item in (here, there))
    title = tr("From {origin} to {place}:", origin=origin, place=session.place)
    differs = _print(session, title, difference(here, there))
    if not differs and not session.machine:
        out.say(tr("There is no difference."))
    return differs


def _content(spec: Mapping[str, Any]) -> dict[str, Any]:
    from roost.model.content import parted  # It brings pydantic, which no command should load that needs it not.

    return parted(spec)[0]


def _commits(session: Session, serving: Mapping[str, Any]) -> bool:
    """What is committed here and does not serve yet; only where this directory is the application's."""
    repository = Repository(session.directory, session.environment)
    served = str(out.at(serving, "artefact.commit", ""))
    if not served or not repository.exists or not repository.remote:
        return False
    lines = repository.ask("log", "--oneline", "--no-decorate", f"{served}..HEAD").splitlines()
    if lines:
        out.say("\n" + tr("Committed here and not deployed ({count}):", count=len(lines)))
        for line in lines[:SHOWN]:
            out.write(f"  {printable(line)}")
        out.say(tr("Deploy it: `{command}`", command="roost deploy"))
    if repository.unsaved():
        out.say(tr("{count} files are not committed and do not come along.", count=repository.unsaved()))
    return bool(lines)


def _of_files(session: Session, files: tuple[str, ...]) -> bool:
    differs = False
    for document in read_documents(session, files):
        done = send(session, document, dry_run=True)
        title = "" if done.what == "unchanged" else done.told
        changes = difference(out.at(done.before, "spec", {}), out.at(done.after, "spec", {}))
        differs = _print(session, title, changes) or done.what == "created" or differs
    if not differs and not session.machine:
        out.say(tr("There is no difference."))
    return differs
