"""Instances in words: why one does not serve, and what to do. Shared by `status`, its tree, and following a change."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from roost.surface.terminal import output as out
from roost.surface.terminal.session import Session
from roost.surface.terminal.words import tr

PULL: Final = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")
REFUSED: Final = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError", "StartError")
STARTING: Final = ("ContainerCreating", "PodInitializing")


@dataclass(frozen=True)
class Word:
    """`why` an instance does not serve, in a sentence; `said`: its own last lines; `hint`: what to do next."""

    why: str = ""
    said: str = ""
    hint: str = ""


def _ended(code: Any) -> str:
    if code == 0:
        return tr("It ended by itself (exit code 0), but a process must go on running.")
    if code == 127:
        return tr("It ended with exit code 127: the command was not found.")
    if code == 126:
        return tr("It ended with exit code 126: the command cannot be executed.")
    if code in (137, 143):
        return tr("It was ended from outside (exit code {code}).", code=code)
    return tr("It ended with exit code {code}.", code=code)


def word(session: Session, item: Mapping[str, Any]) -> Word:
    """What there is to say of an instance; nothing of one that serves."""
    reason, message = str(item.get("reason") or ""), str(item.get("message") or "")
    end = item.get("lastEnd") or {}
    logs = session.command(f"logs --instance {item.get('name')}")
    if item.get("ready") or item.get("state") == "terminating":
        return Word()
    if reason in PULL:
        return Word(
            tr("Its image cannot be pulled: {message}", message=message or reason),
            hint=tr("Is the digest right? `{command}`", command=session.command("releases -o wide")),
        )
    if reason in REFUSED:
        return Word(
            tr("It cannot be started: {message}", message=message or reason),
            hint=tr("See `{command}`.", command=session.command("diff")),
        )
    if reason in ("Unschedulable", "SchedulerError"):
        return Word(
            tr("No node has room for it: {message}", message=message),
            hint=tr("Ask for less CPU or memory, or scale down: `{command}`", command=session.command("scale")),
        )
    if end.get("reason") == "OOMKilled" or reason == "OOMKilled":
        return Word(
            tr("It needed more memory than it has and was ended."),
            str(end.get("words") or ""),
            tr("Give it more memory: `{command}`", command="roost explain app.processes.resources"),
        )
    if item.get("state") == "running":
        probe = str(item.get("probe") or "")
        why = (
            tr("It runs; its health check says: {answer}", answer=probe)
            if probe
            else tr("It runs and has not shown yet that it serves.")
        )
        return Word(why, hint=tr("See `{command}`.", command=logs) if probe else "")
    if end:
        return Word(_ended(end.get("exitCode")), str(end.get("words") or ""), tr("See `{command}`.", command=logs))
    if reason in STARTING or not reason:
        return Word(tr("It is starting."))
    return Word(f"{reason}: {message}" if message else reason)


def state_of(item: Mapping[str, Any]) -> str:
    """One word for a table."""
    if item.get("state") == "terminating":
        return "Ending"
    return "Ready" if item.get("ready") else str(item.get("reason") or item.get("state") or "-")


def number(item: Mapping[str, Any]) -> str:
    """`restarts` where there are any."""
    count = int(out.at(item, "restarts", 0))
    return tr("{count} restarts", count=count) if count else ""
