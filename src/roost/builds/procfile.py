"""A Procfile: `name: command` a line (pure). https://devcenter.heroku.com/articles/procfile describes the format."""

import re
from dataclasses import dataclass

from roost.builds.errors import Unbuildable
from roost.model.names import PROCESS_PATTERN

_LINE = re.compile(r"^([A-Za-z0-9_-]+):\s*(.+?)\s*$")
_SHELL = re.compile(r"[;&|<>()\n`]")
_QUOTED = re.compile(r"'[^'\n]*'")
MAX_PROCESSES = 10


@dataclass(frozen=True)
class Commands:
    """Commands by process, in the order of the file; `release` runs once before a version goes live."""

    processes: dict[str, str]
    release: str = ""


def parse(text: str) -> Commands:
    """The commands. Unbuildable names the line that does not fit."""
    processes: dict[str, str] = {}
    release = ""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = _LINE.match(line)
        if not found:
            raise Unbuildable("BadProcfile", f"Line {number} of the Procfile is not `name: command`.")
        name, command = found[1], found[2]
        if name == "release":
            release = command
        elif not re.fullmatch(PROCESS_PATTERN.strip("^$"), name):
            raise Unbuildable(
                "BadProcfile",
                f"Line {number} of the Procfile: a process has 1 to 15 lower-case letters and digits as its name,"
                f" not {name[:40]!r}.",
            )
        elif len(command) > 2000:
            raise Unbuildable("BadProcfile", f"Line {number} of the Procfile is too long: put it into a script.")
        else:
            processes[name] = command
    if len(processes) > MAX_PROCESSES:
        raise Unbuildable("BadProcfile", f"The Procfile names {len(processes)} processes; {MAX_PROCESSES} may be.")
    return Commands(processes, release)


def shell(command: str) -> tuple[str, ...]:
    """The argv that runs a line of shell. A simple command replaces the shell, so that signals reach it."""
    bare = _QUOTED.sub("", command)
    simple = not _SHELL.search(bare) and "=" not in command.split()[0] and command.split()[0] != "exec"
    return ("/bin/sh", "-c", f"exec {command}" if simple else command)
