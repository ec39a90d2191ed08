"""What a repository is and how its image is made: files and the project's build in, a Containerfile out (pure).

The step of a run and `roost project eject` call `detect`. The order: a Containerfile where there is one, then Python,
Go, Java, Node, a static site; the project's strategy chooses another. What cannot be built gets a message that says
what is missing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from roost.builds import appjson, golang, java, node, procfile, python, static, versions
from roost.builds import containerfile as text_of
from roost.builds.errors import Unbuildable
from roost.builds.files import Files
from roost.builds.planned import Planned
from roost.model.kinds.app import Health, Process
from roost.model.kinds.delivery import Build

CONTAINERFILES = ("Containerfile", "Dockerfile")
# What is recognised and not built yet, with the file that shows it.
_OTHERS = {
    "Gemfile": "Ruby",
    "composer.json": "PHP",
    "Cargo.toml": "Rust",
    "mix.exs": "Elixir",
}
_MARKS = {"go.mod": "go", "pom.xml": "java", "package.json": "node"}
_LANGUAGES = ("python", "go", "java", "node", "static")  # Strategies that name one.


@dataclass(frozen=True)
class Detected:
    """What was found.

    containerfile: its text. path: where it stands in the context; empty: it was written here. processes: what runs,
    empty: web with the image's own command. lines: what was detected and why, for people. said: what app.json says of
    processes, for those that are only known once the image is there.
    """

    containerfile: str
    path: str
    processes: tuple[Process, ...]
    release_command: tuple[str, ...]
    lines: tuple[str, ...]
    said: appjson.Said = field(default_factory=appjson.Said)


def detect(files: Files, build: Build, offered: Sequence[str]) -> Detected:
    """How to build `files` (the context already entered). `offered`: images such as base/python:3.13."""
    found = _found(files, build, offered)
    said = appjson.read(files)
    # What a framework answers is a guess; what the repository says is not.
    guessed = [line for line in found.lines if not (line.startswith("Health: ") and "web" in said.health)]
    return replace(found, processes=said.applied(found.processes), said=said, lines=(*guessed, *said.lines))


def _found(files: Files, build: Build, offered: Sequence[str]) -> Detected:
    commands = procfile.parse(files.read("Procfile") or "")
    path = _containerfile(files, build)
    if build.strategy == "containerfile" or (build.strategy == "auto" and path):
        return _from_containerfile(files, build, path, commands)
    names = set(files.names())
    if not names:
        raise Unbuildable("Empty", "There are no files here, so there is nothing to build.")
    language = build.strategy if build.strategy in _LANGUAGES else _language(names)
    if language == "python":
        return _from_python(files, build, commands, offered)
    if language:
        return _from_plan(_planned(language, files, build, commands, offered), build, commands)
    if any(name.endswith(".py") for name in names) and (commands.processes or build.start):
        return _from_python(files, build, commands, offered)
    raise Unbuildable("NothingDetected", _nothing(files, names))


def _language(names: set[str]) -> str:
    """What the files at the top show; empty: nothing."""
    if names & set(python.MARKERS):
        return "python"
    for name, language in _MARKS.items():
        if name in names:
            return language
    gradle = next((name for name in java.GRADLE if name in names), "")
    if gradle and "index.html" not in names:
        raise java.gradle(gradle)
    return "static" if "index.html" in names else ""


def _planned(language: str, files: Files, build: Build, commands: procfile.Commands, offered: Sequence[str]) -> Planned:
    if language == "static":
        return static.plan(files, offered)
    return {"go": golang.plan, "java": java.plan, "node": node.plan}[language](files, build, commands, offered)


def _nothing(files: Files, names: set[str]) -> str:
    for name, language in _OTHERS.items():
        if name in names:
            return (
                f"This is a {language} repository ({name}), and this platform does not build {language} by itself yet:"
                " add a Containerfile that builds FROM base/debian."
            )
    marks = {*CONTAINERFILES, *python.MARKERS, *_MARKS}
    inside = [folder for folder in sorted(names) if folder.endswith("/") and marks & set(files.names(folder))]
    if inside:
        folder = inside[0].rstrip("/")
        return f"Nothing to build at the top; there is something in {folder}: set it as the project's context."
    return (
        "Nothing says how to build this: add a Containerfile, or a requirements.txt or pyproject.toml for Python,"
        " a package.json for Node.js, a go.mod for Go, a pom.xml for Java, or an index.html for a static site."
    )


def _containerfile(files: Files, build: Build) -> str:
    if build.containerfile:
        if files.read(build.containerfile) is None:
            raise Unbuildable("ContainerfileMissing", f"There is no {build.containerfile} in the repository.")
        return build.containerfile
    return next((name for name in CONTAINERFILES if files.read(name) is not None), "")


def _processes(commands: Mapping[str, str], port: int) -> tuple[Process, ...]:
    return tuple(
        Process(name=name, command=procfile.shell(command), port=port if name == "web" else None)
        for name, command in commands.items()
    )


def _from_containerfile(files: Files, build: Build, path: str, commands: procfile.Commands) -> Detected:
    if not path:
        raise Unbuildable("ContainerfileMissing", "The project is built by its Containerfile, and there is none.")
    found = dict(commands.processes)
    why = "the image's own command starts web"
    if build.start:
        found["web"] = build.start
        why = "the project's start command starts web"
    elif found:
        why = f"the Procfile names {', '.join(found)}"
    return Detected(
        containerfile=files.read(path) or "",
        path=path,
        processes=_processes(found, build.port),
        release_command=procfile.shell(commands.release) if commands.release else (),
        lines=(f"Detected {path}; {why}",),
    )


def _from_python(files: Files, build: Build, commands: procfile.Commands, offered: Sequence[str]) -> Detected:
    choice = versions.choose(files, [name.rpartition(":")[2] for name in offered if name.startswith("base/python:")])
    tool = python.installer(files)
    found = dict(commands.processes)
    extra: tuple[str, ...] = ()
    why = f"the Procfile names {', '.join(found)}"
    if build.start:
        found = {"web": build.start, **{name: command for name, command in found.items() if name != "web"}}
        why = "the project's start command starts web"
    elif not found:
        guess = python.start(files)
        if guess is None:
            raise Unbuildable(
                "NoStartCommand",
                "Nothing says how to start it: add a Procfile with a line such as"
                " `web: gunicorn --bind 0.0.0.0:$PORT app:app`, or set the project's start command.",
            )
        found = {"web": guess.command}
        extra = guess.extra
        why = f"{guess.why}: {guess.command}"
    extra = extra or python.servers(files, found.values())
    if extra:
        why += f" ({', '.join(extra)} is added)"
    processes = _processes(found, build.port)
    command = next((item.command for item in processes if item.name == "web"), processes[0].command)
    body = python.lines(choice, tool, extra, python.collects_static(files))
    return Detected(
        containerfile=_written(body, build.port, command),
        path="",
        processes=processes,
        release_command=procfile.shell(commands.release) if commands.release else (),
        lines=(
            f"Detected Python {choice.version}: {choice.why}",
            f"Dependencies by {tool.name}: {tool.why}",
            f"Start: {why}",
        ),
    )


def _from_plan(made: Planned, build: Build, commands: procfile.Commands) -> Detected:
    processes = _processes(made.commands, build.port)
    command = next((item.command for item in processes if item.name == "web"), processes[0].command)
    lines = made.lines
    if made.probe:
        healthy = appjson.Said({"web": Health(path=made.probe.path)})
        processes, lines = healthy.applied(processes), (*lines, f"Health: {made.probe.path} ({made.probe.why})")
    return Detected(
        containerfile=_written(made.body, build.port, command),
        path="",
        processes=processes,
        release_command=procfile.shell(commands.release) if commands.release else (),
        lines=lines,
    )


def _written(body: Sequence[str], port: int, command: Sequence[str]) -> str:
    head = "# Written by Roost; `roost project eject` puts it into your repository, where it is yours to change."
    return "\n".join([head, *body, f"ENV PORT={port}", f"EXPOSE {port}", f"CMD {text_of.argv(command)}", ""])


def containerfile(files: Files, build: Build, offered: Sequence[str]) -> str:
    """The Containerfile that Roost would build from."""
    return detect(files, build, offered).containerfile
