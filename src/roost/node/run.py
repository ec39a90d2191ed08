"""The one way in which `roost.node` runs other programs. Used by every module here that does something.

CommandFailed      a program ended with an error or took too long; text for people, `output` with its last lines
"""

import os
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from roost.node import machine

SECRET = re.compile(r"^(--[a-z-]*token)=.*", re.DOTALL)  # Told to nobody when a program fails.


class CommandFailed(RuntimeError):
    """A program failed. `output` holds what it said, at most its last 4,000 characters."""

    def __init__(self, argv: Sequence[str], why: str, output: str) -> None:
        self.output = output[-4000:].strip()
        shown = " ".join(SECRET.sub(r"\1=...", word) for word in argv)
        super().__init__(f"`{shown[:300]}` {why}" + (f":\n{self.output}" if self.output else "."))


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment with the engine's programs first on the path."""
    values = dict(os.environ)
    values["PATH"] = f"{machine.BIN}:{values.get('PATH', '/usr/sbin:/usr/bin:/sbin:/bin')}"
    values.update(extra or {})
    return values


def run(
    argv: Sequence[str],
    *,
    text: str | None = None,
    timeout_s: float = 120,
    env: Mapping[str, str] | None = None,
    cgroup: Path | None = None,
    enter: Callable[[], None] | None = None,
    check: bool = True,
) -> str:
    """Run a program and return its standard output. `text` is its input; `cgroup` a cgroup2 directory to run it in;
    `enter` is called in the new process before the program starts.

    CommandFailed when it ends with an error (unless `check` is false), is missing, or takes longer than `timeout_s`.
    """

    def prepare() -> None:
        if cgroup is not None:
            (cgroup / "cgroup.procs").write_text("0")
        if enter is not None:
            enter()

    try:
        done = subprocess.run(
            list(argv),
            input=text,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            env=environment(env),
            preexec_fn=prepare if cgroup is not None or enter is not None else None,
        )
    except FileNotFoundError as missing:
        raise CommandFailed(argv, "is not installed", "") from missing
    except subprocess.TimeoutExpired as late:
        said = late.stderr.decode(errors="replace") if isinstance(late.stderr, bytes) else (late.stderr or "")
        raise CommandFailed(argv, f"took longer than {timeout_s:.0f} s", said) from late
    if check and done.returncode != 0:
        raise CommandFailed(argv, f"ended with {done.returncode}", done.stderr or done.stdout)
    return done.stdout


def succeeds(argv: Sequence[str], timeout_s: float = 30) -> bool:
    """Whether a program ends well; its output is dropped."""
    try:
        run(argv, timeout_s=timeout_s)
    except CommandFailed:
        return False
    return True
