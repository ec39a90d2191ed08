"""`roost build`: builds of a project: start, list, show, logs, cancel."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from roost.capabilities.run.commands_start import ENDED, start
from roost.surface.terminal import output as out
from roost.surface.terminal.failure import NOT_FOUND, REFUSED, Failure, printable
from roost.surface.terminal.session import Session
from roost.surface.terminal.shape import group, output, pass_session, target
from roost.surface.terminal.stream import Query, duration
from roost.surface.terminal.stream import show as show_stream
from roost.surface.terminal.words import tr


def _took(run: Any) -> str:
    start, end = out.at(run, "status.startedAt"), out.at(run, "status.finishedAt")
    if not start:
        return "-"
    if not end:
        return out.since(start)
    return out.since(start, datetime.fromisoformat(str(end).replace("Z", "+00:00")).astimezone(UTC))


def _phase(run: Any) -> str:
    return str(out.at(run, "status.phase", "Pending"))


COLUMNS = (
    out.Column("NAME", out.name_of),
    out.field("PROJECT", "spec.project"),
    out.Column("BRANCH", lambda row: str(out.at(row, "spec.ref", "-")).removeprefix("refs/heads/")),
    out.Column("COMMIT", lambda row: str(out.at(row, "spec.commit", "-"))[:8]),
    out.Column("STATE", _phase),
    out.Column("TOOK", _took),
    out.age(),
    out.field("AUTHOR", "spec.author"),
    out.field("IMAGE", "status.artefact.image", wide=True),
)
PROJECT = click.option("-p", "--project", default=None, metavar="PROJECT", help="Only runs of this project.")


@group("build")
def commands() -> None:
    """Builds: start, list, show, logs, cancel."""


commands.add_command(start)


def _runs(session: Session, project: str | None) -> list[Any]:
    found = session.api.items(session.of_tenant("runs"))["items"]
    mine = [item for item in found if project in (None, out.at(item, "spec.project"))]
    return sorted(mine, key=lambda item: str(out.at(item, "metadata.creationTimestamp", "")), reverse=True)


def _name(session: Session, name: str | None, project: str | None) -> str:
    """The run that is meant: the named one, else the newest."""
    if name:
        return name
    found = _runs(session, project)
    if not found:
        raise Failure(tr("There is no run yet."), hint=tr("A push to a project starts one."), code=NOT_FOUND)
    return out.name_of(found[0])


@commands.command("list")
@PROJECT
@target("tenant")
@output
@pass_session
def list_(session: Session, project: str | None) -> None:
    """List runs, the newest first."""
    out.show_list({"items": _runs(session, project)}, COLUMNS, session.output, tr("There is no run yet."))


@commands.command("show")
@click.argument("name", required=False)
@PROJECT
@target("tenant")
@output
@pass_session
def show(session: Session, name: str | None, project: str | None) -> None:
    """Show one run; the newest without a name."""
    run = session.api.get(session.of_tenant("runs", _name(session, name, project)))
    out.show_one(run, session.output, lambda: _tell(run))


def _tell(run: Any) -> None:
    found = out.condition(run)
    out.facts(
        [
            ("Run", out.name_of(run)),
            ("Project", out.at(run, "spec.project", "")),
            ("Ref", out.at(run, "spec.ref", "")),
            ("Commit", out.at(run, "spec.commit", "")),
            ("Author", out.at(run, "spec.author", "")),
            ("Cause", " ".join(str(out.at(run, f"spec.{key}", "")) for key in ("cause", "trigger")).strip()),
            ("Parameters", " ".join(f"{key}={value}" for key, value in out.at(run, "spec.parameters", {}).items())),
            ("State", _phase(run)),
            ("Step", out.at(run, "status.step", "")),
            ("Why", str(found.get("message", "")) if _phase(run) != "Succeeded" else ""),
            ("Took", _took(run)),
            ("Image", out.at(run, "status.artefact.image", "")),
            ("Promotion", out.at(run, "status.promotion", "")),
        ]
    )
    _tell_steps(run)
    if out.at(run, "status.detected"):
        out.write("\n" + printable(out.at(run, "status.detected")))


def _tell_steps(run: Any) -> None:
    steps = out.at(run, "status.steps") or []
    if steps:
        out.write("")
    for step in steps:
        seconds = step.get("seconds")
        took = f"{seconds:.1f} s" if isinstance(seconds, int | float) else "-"
        why = " ".join(str(word) for word in (step.get("reason"), step.get("exitCode")) if word)
        out.write(f"{step.get('name', ''):<30}  {step.get('phase', ''):<10}  {took:>9}  {why}".rstrip())
    tests = out.at(run, "status.tests")
    if tests:
        bad = int(tests.get("failures", 0)) + int(tests.get("errors", 0))
        told = {"all": tests.get("tests", 0), "bad": bad, "skipped": tests.get("skipped", 0)}
        out.write("\n" + tr("{all} tests, {bad} failed, {skipped} skipped", **told))
        for name in tests.get("failed") or []:
            out.write(f"  {printable(name)}")


@commands.command("logs", examples=("roost build logs -f",))
@click.argument("name", required=False)
@click.option("-f", "--follow", is_flag=True, help="Keep printing until the run ends; its failure is the exit code 7.")
@click.option(
    "--since", default=None, metavar="TIME", help="Only what is younger: 30s, 10m, 2h, 1d.", callback=duration
)
@click.option("--step", default=None, metavar="STEP", help="Only the lines of this step.")
@PROJECT
@target("tenant")
@output
@pass_session
def logs(
    session: Session, name: str | None, follow: bool, since: str | None, step: str | None, project: str | None
) -> None:
    """Show the log of a run; of the newest without a name. It is kept when the run is over."""
    name = _name(session, name, project)
    query = Query(session.of_tenant("runs", name, "logs"), follow, since, step=step or "", named=False)
    show_stream(session, query)
    if not follow:
        return
    run = session.api.get(session.of_tenant("runs", name))
    if _phase(run) in ("Failed", "Cancelled"):
        raise Failure(
            tr("Run {name} ended: {phase}.", name=name, phase=_phase(run)),
            why=str(out.condition(run).get("message", "")),
            code=REFUSED,
        )


@commands.command("rerun", examples=("roost build rerun wiki-3-0123456789 --from test",))
@click.argument("name")
@click.option(
    "--from", "step", default="", metavar="STEP", help="The first step that runs again; without it all of them do."
)
@target("tenant")
@output
@pass_session
def rerun(session: Session, name: str, step: str) -> None:
    """Run the steps of a run that is over again, from one of them on."""
    made = session.api.send("POST", session.of_tenant("runs", name, "rerun"), {"from": step})
    out.show_one(made, session.output, lambda: out.say(_again(name, made)))


def _again(name: str, made: Any) -> str:
    number = str(out.at(made, "spec.rerun.number", ""))
    return tr("Run {name} is run again, for the time {number}: `roost build list` shows it.", name=name, number=number)


@commands.command("artefacts", examples=("roost build artefacts wiki-3-0123456789 test",))
@click.argument("name")
@click.argument("step")
@click.option(
    "--output-file", type=click.Path(path_type=Path), default=None, metavar="FILE", help="Where to; else STEP.tar.gz."
)
@target("tenant")
@pass_session
def artefacts(session: Session, name: str, step: str, output_file: Path | None) -> None:
    """Fetch the files that a step of a run left to be kept: a gzipped tar archive."""
    file = output_file or Path(f"{step}.tar.gz")
    parts = session.api.download(session.of_tenant("runs", name, "artefacts", step))
    first = next(parts, b"")  # Only where there are some is a file made.
    with file.open("wb") as target:
        target.write(first)
        target.writelines(parts)
    out.say(tr("{file} was written.", file=file))


@commands.command("cancel")
@click.argument("name")
@target("tenant")
@pass_session
def cancel(session: Session, name: str) -> None:
    """Stop a run."""
    run = session.api.send("POST", session.of_tenant("runs", name, "cancel"))
    if _phase(run) in ENDED:
        out.say(tr("Run {name} had ended already: {phase}.", name=name, phase=_phase(run)))
    else:
        out.say(tr("Run {name} is being stopped.", name=name))
