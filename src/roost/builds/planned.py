"""What a language module hands to `detect`: the Containerfile's body, what runs, and why (pure).

Every language has a module of its own with `plan(files, build, commands, offered) -> Planned`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from roost.builds.errors import Unbuildable
from roost.builds.probes import Probe
from roost.builds.procfile import Commands
from roost.model.kinds.delivery import Build

OWNER = "1000:1000"  # Who the application's process is, in every image that is written here.


@dataclass(frozen=True)
class Planned:
    """body: lines up to the ones about port and command. commands: lines of shell by process. lines: for people.

    probe: the HTTP path that tells whether web serves, where the framework has one.
    """

    body: tuple[str, ...]
    commands: Mapping[str, str]
    lines: tuple[str, ...]
    probe: Probe | None = None


@dataclass(frozen=True)
class Asked:
    """The commands that the repository or the project names itself, and who named them; empty: neither did."""

    commands: Mapping[str, str]
    why: str


def asked(build: Build, commands: Commands) -> Asked:
    """The project's start command comes before the Procfile's web."""
    found = dict(commands.processes)
    if build.start:
        rest = {name: command for name, command in found.items() if name != "web"}
        return Asked({"web": build.start, **rest}, "the project's start command starts web")
    return Asked(found, f"the Procfile names {', '.join(found)}" if found else "")


def tags(offered: Sequence[str], base: str) -> list[str]:
    """The offered versions of `base`, oldest first."""
    mine = [name.rpartition(":")[2] for name in offered if name.startswith(f"base/{base}:")]
    return sorted(mine, key=lambda tag: [int(part) if part.isdigit() else 0 for part in tag.split(".")])


def newest(offered: Sequence[str], base: str, language: str) -> str:
    """The newest offered version of `base` as an image's name. Unbuildable where there is none."""
    found = tags(offered, base)
    if not found:
        raise Unbuildable("BaseNotOffered", f"This is built on base/{base} ({language}), which is not offered here.")
    return f"base/{base}:{found[-1]}"
