"""A private buildkitd that runs Containerfiles on this machine, only while images are made.

Called by `roost.node.images`. It needs no cluster, no registry and no network of its own: root file systems come as
OCI layouts, programs as local folders, packages over the machine's own network. It lives in a mount namespace of its
own and dies with the process that started it, so a killed run leaves neither mounts nor processes.

    BuildFailed    buildkitd did not start, or a Containerfile could not be built; the text holds the last lines
"""

import hashlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from roost.node.image_settings import ImageSettings

START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 20
BUILD_TIMEOUT_S = 1800
RUN = Path("/run/roost-images")  # Socket, secrets and log of a builder while it runs.
SOCKET = "buildkitd.sock"
KEEP_MB = 4000  # Megabytes of build cache that stay between two runs.
CGROUP = "roost-images"  # Where the steps' control groups are, and a hash of the root; removed when the builder ends.
# The kernel ends buildkitd with this process, and its mounts with its namespace.
ALONE = ("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "slave")
CONFIGURATION = """\
root = "{root}"
[grpc]
  address = ["unix://{socket}"]
[worker.oci]
  enabled = true
  snapshotter = "overlayfs"
  binary = "{runc}"
  networkMode = "host"
  defaultCgroupParent = "{cgroup}"
  max-parallelism = 2
  gc = true
  maxUsedSpace = "{keep_mb}MB"
[worker.containerd]
  enabled = false
"""


class BuildFailed(RuntimeError):
    """Something did not build; the text is for people and holds the end of what was said."""


@dataclass(frozen=True)
class Programs:
    """Paths of the engine's programs that building needs."""

    buildkitd: Path
    buildctl: Path
    runc: Path


@dataclass(frozen=True)
class Solve:
    """One Containerfile to build: its folder, the contexts that it names, and what is wanted of the result."""

    folder: Path
    outputs: tuple[str, ...] = ()  # As buildctl's --output takes them.
    layouts: Mapping[str, tuple[Path, str]] = field(default_factory=dict)  # Name in FROM -> (OCI layout, digest).
    folders: Mapping[str, Path] = field(default_factory=dict)  # Name in COPY --from -> folder.
    arguments: Mapping[str, str] = field(default_factory=dict)  # Build arguments.
    epoch: int = 0  # SOURCE_DATE_EPOCH; 0 means now.
    fresh: bool = False  # Run every step anew.


@dataclass(frozen=True)
class Builder:
    """A running buildkitd."""

    programs: Programs
    socket: Path
    secrets: Mapping[str, Path]

    def command(self, solve: Solve, metadata: Path) -> list[str]:
        """buildctl's arguments for one build."""
        command = [str(self.programs.buildctl), "--addr", f"unix://{self.socket}", "build", "--progress=plain"]
        command += ["--frontend=dockerfile.v0", "--opt=filename=Containerfile", f"--metadata-file={metadata}"]
        command += [f"--local=context={solve.folder}", f"--local=dockerfile={solve.folder}"]
        for name, (layout, digest) in solve.layouts.items():
            command += [f"--oci-layout={name}={layout}", f"--opt=context:{name}=oci-layout://{name}@{digest}"]
        for name, folder in solve.folders.items():
            command += [f"--local={name}={folder}", f"--opt=context:{name}=local:{name}"]
        command += [f"--secret=id={name},src={path}" for name, path in self.secrets.items()]
        command += [f"--opt=build-arg:{name}={value}" for name, value in solve.arguments.items()]
        if solve.epoch:
            command.append(f"--opt=build-arg:SOURCE_DATE_EPOCH={solve.epoch}")
        if solve.fresh:
            command.append("--no-cache")
        return command + [f"--output={output}" for output in solve.outputs]

    def build(self, solve: Solve) -> str:
        """Build and return the digest of the image (empty where no image was asked for). BuildFailed otherwise."""
        with tempfile.TemporaryDirectory(prefix="roost-build-") as directory:
            metadata = Path(directory) / "metadata.json"
            try:
                done = subprocess.run(
                    self.command(solve, metadata),
                    capture_output=True,
                    text=True,
                    errors="replace",
                    stdin=subprocess.DEVNULL,
                    timeout=BUILD_TIMEOUT_S,
                )
            except subprocess.TimeoutExpired as late:
                raise BuildFailed(f"{solve.folder.name}: not built within {BUILD_TIMEOUT_S} s.") from late
            if done.returncode != 0:
                raise BuildFailed(f"{solve.folder.name}: the Containerfile could not be built:\n{_why(done.stderr)}")
            said = json.loads(metadata.read_text()) if metadata.exists() else {}
            return str(said.get("containerimage.digest", ""))


@contextmanager
def started(programs: Programs, settings: ImageSettings, root: Path) -> Iterator[Builder]:
    """A buildkitd with its state in `root`, gone when the block ends. BuildFailed when it does not start."""
    root.mkdir(parents=True, exist_ok=True)
    # One place for one root, so that what a killed run left there is found and removed.
    mine = hashlib.sha256(str(root).encode()).hexdigest()[:12]
    place, cgroup = RUN / mine, f"{CGROUP}-{mine}"
    shutil.rmtree(place, ignore_errors=True)
    clear_cgroups(Path("/proc/mounts").read_text(), cgroup)
    place.mkdir(parents=True, mode=0o700)
    process = None
    try:
        secrets = write_secrets(settings, place)
        process = _start(programs, root, place, cgroup)
        _wait(programs.buildctl, place / SOCKET, place / "log")
        yield Builder(programs, place / SOCKET, secrets)
    finally:
        if process is not None:
            _stop(process)
        clear_cgroups(Path("/proc/mounts").read_text(), cgroup)
        shutil.rmtree(place)
        with suppress(OSError):  # Another builder may be at work.
            RUN.rmdir()


def _start(programs: Programs, root: Path, place: Path, cgroup: str) -> "subprocess.Popen[bytes]":
    facts = {"root": root, "socket": place / SOCKET, "runc": programs.runc, "cgroup": cgroup, "keep_mb": KEEP_MB}
    configuration = place / "buildkitd.toml"
    configuration.write_text(CONFIGURATION.format(**facts))
    with (place / "log").open("w") as log:
        return subprocess.Popen(
            [*ALONE, str(programs.buildkitd), "--config", str(configuration)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PATH": f"{programs.runc.parent}:{os.environ.get('PATH', '/usr/bin:/bin')}"},
        )


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def write_secrets(settings: ImageSettings, directory: Path) -> dict[str, Path]:
    """Files by secret id that steps see while they run and no layer keeps: whom to trust, where packages are."""
    trust = directory / "trust"
    if settings.trust_bundle.is_file():
        shutil.copyfile(settings.trust_bundle, trust)
    else:
        trust.write_text("")
    pip = ["[global]", "disable-pip-version-check = true", "no-input = true"]
    if trust.stat().st_size:
        pip.append("cert = /run/secrets/trust")
    if settings.pip:
        pip.append(f"index-url = {settings.pip}")
    (directory / "pip").write_text("\n".join(pip) + "\n")
    (directory / "go").write_text(f"export GOPROXY={shlex.quote(settings.go)}\n" if settings.go else "")
    apt = 'Acquire::https::CAInfo "/run/secrets/trust";\n' if trust.stat().st_size else ""
    (directory / "apt").write_text(apt + 'Acquire::Retries "3";\nAPT::Keep-Downloaded-Packages "true";\n')
    return {name: directory / name for name in ("trust", "pip", "apt", "go")}


def clear_cgroups(mounts: str, name: str) -> None:
    """Remove the control groups `name` from every hierarchy in the text of /proc/mounts, and end what still is in them.

    A step outlives a buildkitd that was killed: nobody waits for what it does any more.
    """
    groups = [Path(line.split()[1]) / name for line in mounts.splitlines() if line.split()[2] in ("cgroup", "cgroup2")]
    for directory in (Path(found) for group in groups for found, _, _ in os.walk(group)):
        for pid in (directory / "cgroup.procs").read_text().split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
    for group in groups:
        for found, _, _ in os.walk(group, topdown=False):
            with suppress(OSError):  # What was killed may take a moment to go; the next run removes the rest.
                os.rmdir(found)


def _why(said: str) -> str:
    """The part of buildctl's output that tells what failed, without the steps that went well."""
    start = said.find("\n------\n")
    return said[start + 1 if start >= 0 else 0 :][-4000:].strip()


def _wait(buildctl: Path, socket: Path, log: Path) -> None:
    command = [
        str(buildctl),
        "--addr",
        f"unix://{socket}",
        "--timeout",
        str(START_TIMEOUT_S),
        "--wait",
        "debug",
        "workers",
    ]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=START_TIMEOUT_S)
    except subprocess.SubprocessError as wrong:
        raise BuildFailed(f"buildkitd did not start:\n{log.read_text(errors='replace')[-3000:]}") from wrong
