"""How a Go module is built and started (pure). `detect` calls `plan`.

go.mod                       the version: a newer Go than the image's is fetched by Go itself, as a module
package main at the top      the program; else those in cmd/
"""

import re
from collections.abc import Mapping, Sequence

from roost.builds import planned
from roost.builds.errors import Unbuildable
from roost.builds.files import Files
from roost.builds.planned import OWNER, Planned
from roost.builds.procfile import Commands
from roost.model.kinds.delivery import Build

_MAIN = re.compile(r"^package\s+main\b", re.MULTILINE)
_IGNORED = re.compile(r"^//go:build\s+ignore\b", re.MULTILINE)
_VERSION = re.compile(r"^(go|toolchain)\s+(?:go)?(\d{1,3}\.\d{1,3}(?:\.\d{1,4}|rc\d{1,2})?)\s*$", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,60}[A-Za-z0-9])?")
_PREFERRED = ("web", "server", "app", "api")
MOST_FILES = 200  # Of one folder; more are not looked into.
_CACHE = "--mount=type=cache,target=/root/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build"


def _is_main(files: Files, folder: str) -> bool:
    """Whether the folder holds a program: some file of it, tests left out, is of package main."""
    names = [name for name in files.names(folder) if name.endswith(".go") and not name.endswith("_test.go")]
    for name in names[:MOST_FILES]:
        text = files.read(f"{folder}{name}") or ""
        if _MAIN.search(text) and not _IGNORED.search(text):
            return True
    return False


def _module(text: str) -> str:
    """The name of the module's program, as Go derives it from the module's path."""
    found = re.search(r"^module\s+\"?([^\s\"]+)", text, re.MULTILINE)
    parts = [part for part in (found[1] if found else "").split("/") if part]
    if len(parts) > 1 and re.fullmatch(r"v\d+", parts[-1]):
        parts.pop()
    name = parts[-1] if parts else ""
    return name if _NAME.fullmatch(name) else "app"


def programs(files: Files) -> dict[str, str]:
    """{name of the program: folder as Go takes it}: the one at the top first."""
    found: dict[str, str] = {}
    if _is_main(files, ""):
        found[_module(files.read("go.mod") or "")] = "."
    for folder in files.names("cmd"):
        name = folder.rstrip("/")
        if folder.endswith("/") and _NAME.fullmatch(name) and _is_main(files, f"cmd/{folder}"):
            found.setdefault(name, f"./cmd/{name}")
    return found


def _chosen(files: Files, found: Mapping[str, str]) -> tuple[str, str]:
    """(program that is web, why). Unbuildable where it cannot be told."""
    first = next(iter(found))
    if found[first] == ".":
        return first, "the program at the top"
    if len(found) == 1:
        return first, "the only program in cmd/"
    for name in (_module(files.read("go.mod") or ""), *_PREFERRED):
        if name in found:
            return name, f"of {len(found)} programs the one called {name}"
    raise Unbuildable(
        "NoStartCommand",
        f"There are {len(found)} programs ({', '.join(sorted(found))[:300]}): name one in a Procfile, such as"
        f" `web: {sorted(found)[0]}`, or set the project's start command.",
    )


def plan(files: Files, build: Build, commands: Commands, offered: Sequence[str]) -> Planned:
    """How to build it. Unbuildable says what is missing."""
    text = files.read("go.mod")
    if text is None:
        raise Unbuildable("BadFile", "There is no go.mod that is a regular file of at most 1 MiB.")
    image = planned.newest(offered, "go", "Go")
    runner = planned.newest(offered, "busybox", "Go")
    found = programs(files)
    if not found:
        raise Unbuildable("NoStartCommand", "No package main is at the top or in a folder of cmd/: nothing to start.")
    asked = planned.asked(build, commands)
    started, why = dict(asked.commands), asked.why
    built = list(found.values())
    if not started:
        name, why = _chosen(files, found)
        # The program is called by what Go names it after: the module, or its folder.
        started, built, why = {"web": name}, [found[name]], f"{why}: {name}"
    return Planned(
        body=(
            f"FROM {image} AS build",
            "WORKDIR /src",
            "COPY . .",
            f"RUN {_CACHE} {_compile(built, _module(text))}",
            f"FROM {runner}",
            "COPY --from=build /out /app/bin",
            # Templates and other files that the program reads; not what it was made of.
            f"COPY --chown={OWNER} --exclude=**/*.go --exclude=vendor . /app",
            "ENV PATH=/app/bin:/usr/local/bin:/usr/bin:/bin",
            f"USER {OWNER}",
        ),
        commands=started,
        lines=(_version(text, image.rpartition(":")[2]), f"Build: go build {' '.join(built)[:300]}", f"Start: {why}"),
    )


def _compile(built: Sequence[str], module: str) -> str:
    """Builds the folders, each under its name."""
    flags = "go build -trimpath -ldflags=-s -o"
    below = [folder for folder in built if folder != "."]
    parts = [f"{flags} /out/{module} ."] if "." in built else []
    return " && ".join([*parts, *([f"{flags} /out/ {' '.join(below)}"] if below else [])])


def _version(text: str, held: str) -> str:
    """The line about the version."""
    wanted = {found[1]: found[2] for found in _VERSION.finditer(text)}
    version = wanted.get("toolchain") or wanted.get("go") or ""
    if not version:
        return f"Detected Go {held}: go.mod names no version"
    numbers = [int(part) for part in re.findall(r"\d+", version)[:2]]
    if numbers > [int(part) for part in held.split(".") if part.isdigit()]:
        return f"Detected Go {version}: go.mod asks for it, and Go fetches it"
    return f"Detected Go {held}: go.mod asks for {version} or newer"
