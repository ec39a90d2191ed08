"""Debian packages that the machine must have. Used by the builds and by `up`; the only caller of apt-get."""

import os
import re
from collections.abc import Sequence

from roost.node.run import CommandFailed, run

INSTALL_TIMEOUT_S = 900
_LOCK = "DPkg::Lock::Timeout=300"  # apt-get itself waits for another apt-get to end.


class PackagesMissing(RuntimeError):
    """Packages could not be installed; the text names them and says what to do."""


def missing(names: Sequence[str], dpkg_status: str) -> list[str]:
    """Those of `names` that are not installed, by the output of dpkg-query with one `name<TAB>status` per line."""
    installed = set()
    for line in dpkg_status.splitlines():
        name, _, status = line.partition("\t")
        if status.strip() == "install ok installed":
            installed.add(name.partition(":")[0])
    return [name for name in dict.fromkeys(names) if name not in installed]


def _remedy(said: str) -> list[str] | None:
    """What to run before apt-get is tried once more, by what it said; None where no more is to be done."""
    if "dpkg was interrupted" in said:  # An installation was killed: that also stops every later one.
        return ["dpkg", "--configure", "-a"]
    if re.search(r"Unable to locate package|no installation candidate|404 +Not Found|Failed to fetch", said):
        return ["apt-get", "update", "--quiet", "-o", _LOCK]
    return None


def _install(wanted: Sequence[str]) -> None:
    """CommandFailed when no remedy is left."""
    env = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    install = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", "-o", _LOCK, *wanted]
    tried: list[list[str]] = []
    while True:
        try:
            run(install, env=env, timeout_s=INSTALL_TIMEOUT_S)
            return
        except CommandFailed as failed:
            remedy = _remedy(failed.output)
            if remedy is None or remedy in tried:
                raise
        run(remedy, env=env, timeout_s=INSTALL_TIMEOUT_S)
        tried.append(remedy)


def ensure(names: Sequence[str]) -> list[str]:
    """Install those of `names` that are missing; return them. Lists that do not know a package are updated, and what
    a killed installation left half done is ended first.

    PackagesMissing where that fails, or where this is neither root nor Debian.
    """
    try:
        status = run(["dpkg-query", "-W", "-f", "${Package}\t${Status}\n", *names], check=False)
    except CommandFailed as strange:
        wanted_by_hand = f"Install what provides {', '.join(names)}."
        raise PackagesMissing(f"This machine is no Debian: {strange} {wanted_by_hand}") from strange
    wanted = missing(names, status)
    if not wanted:
        return []
    said = " ".join(wanted)
    if os.geteuid() != 0:
        raise PackagesMissing(f"These Debian packages are needed: {said}. As root: apt-get install {said}")
    try:
        _install(wanted)
    except CommandFailed as failed:
        raise PackagesMissing(
            f"Debian packages could not be installed: {said}. {failed}\nSee that /etc/apt names a reachable mirror."
        ) from failed
    return wanted
