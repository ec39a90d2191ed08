"""package.json, and the tool that installs what it names: npm, pnpm or yarn (pure). `node` asks."""

import json
import re
from dataclasses import dataclass
from typing import Any

from roost.builds.errors import Unbuildable
from roost.builds.files import Files

NPM_CACHE = "--mount=type=cache,target=/root/.npm"
CACHE = f"{NPM_CACHE} --mount=type=cache,target=/root/.cache"
_MANAGER = re.compile(r"(npm|pnpm|yarn)@(\d{1,4}(?:\.\d{1,4}){0,2})(?:[-+].*)?")


@dataclass(frozen=True)
class Package:
    """What package.json says, as far as it is of the right kind. scripts, dependencies: text by name."""

    scripts: dict[str, str]
    dependencies: dict[str, str]
    engine: str
    volta: str
    manager: str
    main: str
    bins: tuple[str, ...]
    workspaces: bool


@dataclass(frozen=True)
class Manager:
    """name, why. tool: what npm installs to have it. files: read beside package.json. all, production: shell.

    whole: it needs more of the repository than those files.
    """

    name: str
    why: str
    tool: str
    files: tuple[str, ...]
    all: str
    production: str
    whole: bool = False


def _texts(value: Any) -> dict[str, str]:
    return {name: text for name, text in value.items() if isinstance(text, str)} if isinstance(value, dict) else {}


def package(files: Files) -> Package:
    """package.json, read. Unbuildable where it is no JSON object, or too large."""
    text = files.read("package.json")
    if text is None:
        raise Unbuildable("BadFile", "There is no package.json that is a regular file of at most 1 MiB.")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unbuildable("BadFile", f"package.json cannot be read: {str(error)[:200]}.") from error
    if not isinstance(data, dict):
        raise Unbuildable("BadFile", "package.json is not an object.")
    bins = data.get("bin")
    named = [bins] if isinstance(bins, str) else list(_texts(bins).values())
    top = _texts(data)
    return Package(
        scripts={name: script for name, script in _texts(data.get("scripts")).items() if script.strip()},
        dependencies=_texts(data.get("dependencies")) | _texts(data.get("optionalDependencies")),
        engine=_texts(data.get("engines")).get("node", ""),
        volta=_texts(data.get("volta")).get("node", ""),
        manager=top.get("packageManager", ""),
        main=top.get("main", ""),
        bins=tuple(named),
        workspaces=bool(data.get("workspaces")),
    )


def manager(files: Files, about: Package) -> Manager:
    """Which tool installs the dependencies."""
    names = set(files.names())
    found = _MANAGER.fullmatch(about.manager.strip())
    asked, version = (found[1], found[2]) if found else ("", "")
    why = "packageManager in package.json" if asked else ""
    if asked == "pnpm" or (not asked and "pnpm-lock.yaml" in names):
        return _pnpm(files, names, version, why or "there is a pnpm-lock.yaml")
    if asked == "yarn" or (not asked and "yarn.lock" in names):
        return _yarn(files, names, version, why or "there is a yarn.lock")
    lock = next((name for name in ("npm-shrinkwrap.json", "package-lock.json") if name in names), "")
    why = f"there is a {lock}" if lock else "there is no lock file, so each build may bring newer versions"
    command = "npm ci" if lock else "npm install --no-save --no-package-lock"
    kept = tuple(name for name in (lock, ".npmrc") if name in names)
    return Manager("npm", why, "", kept, command, f"{command} --omit=dev")


def _pnpm(files: Files, names: set[str], version: str, why: str) -> Manager:
    said = re.search(r"^lockfileVersion:\s*'?(\d)", files.read("pnpm-lock.yaml") or "", re.MULTILINE)
    version = version or {"5": "7", "6": "8"}.get(said[1] if said else "", "9")
    frozen = "--frozen-lockfile" if "pnpm-lock.yaml" in names else "--no-frozen-lockfile"
    command = f"pnpm install {frozen} --store-dir=/root/.cache/pnpm"
    kept = tuple(name for name in ("pnpm-lock.yaml", ".npmrc") if name in names)
    whole = bool(names & {"pnpm-workspace.yaml", "patches/", ".pnpmfile.cjs"})
    return Manager("pnpm", why, f"pnpm@{version}", kept, command, f"{command} --prod", whole)


def _yarn(files: Files, names: set[str], version: str, why: str) -> Manager:
    modern = "__metadata:" in (files.read("yarn.lock") or "") or ".yarnrc.yml" in names
    if (version and version.partition(".")[0] != "1") or (not version and modern):
        settings = "YARN_GLOBAL_FOLDER=/root/.cache/yarn YARN_ENABLE_GLOBAL_CACHE=true YARN_ENABLE_TELEMETRY=false"
        frozen = "--immutable" if "yarn.lock" in names else "--no-immutable"
        command = f"YARN_NODE_LINKER=node-modules {settings} yarn install {frozen}"
        return Manager("yarn", why, f"@yarnpkg/cli-dist@{version or '4'}", (), command, command, whole=True)
    # A lock of Yarn 1 names the registry that its maker used; the site's own has the same packages.
    mirror = r"""sed -i -E "s#^(  resolved \"?)https://registry\.[^/]+/#\1$(npm config get registry)#" yarn.lock && """
    settings = "YARN_REGISTRY=$(npm config get registry) YARN_CACHE_FOLDER=/root/.cache/yarn"
    locked = "yarn.lock" in names
    frozen = " --frozen-lockfile" if locked else ""
    command = f"{mirror if locked else ''}{settings} yarn install{frozen} --non-interactive"
    kept = tuple(name for name in ("yarn.lock", ".npmrc", ".yarnrc") if name in names)
    return Manager("yarn", why, "yarn@1.22.22", kept, command, f"{command} --production")
