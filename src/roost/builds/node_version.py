"""Which Node a repository asks for, and which of the offered ones that is (pure). `node` calls it.

.node-version, .nvmrc,
.tool-versions, volta.node   a version or a name such as lts/jod; only its first number counts
engines.node                 a range: the newest offered that satisfies it
"""

from collections.abc import Iterator, Mapping, Sequence

from roost.builds import semver, versions
from roost.builds.errors import Unbuildable
from roost.builds.files import Files, tool_version
from roost.builds.versions import Choice

# What the images hold (images/base-node); a test compares.
HELD: Mapping[str, semver.Version] = {"20": (20, 18, 0), "22": (22, 20, 0), "24": (24, 19, 0)}
_NAMES = {"iron": "20", "jod": "22", "krypton": "24"}
_NEWEST = ("node", "stable", "current", "latest", "lts", "lts/*", "*")


def _named(files: Files, volta: str) -> Iterator[tuple[str, str]]:
    """(who says it, version) of those that name one version."""
    for path in (".node-version", ".nvmrc"):
        lines = [line.strip() for line in (files.read(path) or "").splitlines()]
        yield path, next((line for line in lines if line and not line.startswith("#")), "")
    yield ".tool-versions", tool_version(files, "nodejs", "node")
    yield "volta in package.json", volta


def choose(files: Files, engines: str, offered: Sequence[str], volta: str = "") -> Choice:
    """The version to build on. `offered`: tags such as 24, oldest first. Unbuildable where none fits."""
    if not offered:
        raise Unbuildable("BaseNotOffered", "This is a Node.js repository, and this platform offers no Node image.")
    held = versions.words(offered)
    refusal = None
    for path, wanted in _named(files, volta):
        if not wanted:
            continue
        major = _major(wanted, offered)
        if major in offered:
            return Choice(major, f"{path} asks for it")
        refusal = refusal or Unbuildable(
            "VersionNotOffered", f"{path} asks for Node {wanted[:40]}; offered are {held}."
        )
    if refusal and not engines:
        raise refusal
    return _of_engines(engines, offered)


def _major(wanted: str, offered: Sequence[str]) -> str:
    if wanted.lower() in _NEWEST:
        return offered[-1]
    name = wanted.lower().removeprefix("lts/")
    return _NAMES.get(name) or wanted.lstrip("vV").partition(".")[0]


def _of_engines(engines: str, offered: Sequence[str]) -> Choice:
    if not engines or engines.strip().lower() in _NEWEST:
        return Choice(offered[-1], "the newest offered; engines.node in package.json would choose another")
    one = semver.exact(engines)
    if one and str(one[0]) in offered:
        return Choice(str(one[0]), f"engines.node is {engines.strip()[:60]}; of {one[0]} the newest is offered")
    try:
        fitting = [tag for tag in offered if semver.satisfies(_held(tag), engines)]
    except semver.NoRange as error:
        raise Unbuildable(
            "BadVersion", f"package.json: engines.node {engines[:60]!r} is no range of versions."
        ) from error
    if fitting:
        return Choice(fitting[-1], f"engines.node is {engines.strip()[:60]}")
    held = versions.words([".".join(map(str, _held(tag))) for tag in offered])
    raise Unbuildable("VersionNotOffered", f"package.json asks for Node {engines.strip()[:60]}; offered are {held}.")


def _held(tag: str) -> semver.Version:
    return HELD.get(tag) or (int(tag) if tag.isdigit() else 0, 0, 0)
