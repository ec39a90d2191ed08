"""How a Node repository is installed, built and started (pure). `detect` calls `plan`.

packageManager, else the lock file     npm, pnpm or yarn (`node_tools`); without either npm
scripts.build, heroku-postbuild        runs with all dependencies; the image gets only those for production
scripts.start, server.js, main, bin    how web starts, unless the project or a Procfile says it
a build and nothing that starts        a static site: what the build writes is served
"""

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from roost.builds import node_version, planned, static
from roost.builds.errors import Unbuildable
from roost.builds.files import Files
from roost.builds.node_tools import CACHE, NPM_CACHE, Manager, Package, manager, package
from roost.builds.planned import OWNER, Planned
from roost.builds.procfile import Commands
from roost.model.kinds.delivery import Build

# Servers for developers: a start script that calls one of them does not start an application.
_DEVELOPERS = re.compile(
    r"\b(react-scripts start|vite(?! preview)|ng serve|webpack(-dev-server| serve)|parcel|astro dev|gatsby develop"
    r"|vue-cli-service serve|eleventy --serve|docusaurus start|next dev|nuxt dev|craco start)\b"
)
# Packages that are compiled on the spot where no ready binary can be fetched.
_NATIVE = frozenset(
    (
        "argon2",
        "bcrypt",
        "better-sqlite3",
        "isolated-vm",
        "leveldown",
        "node-pty",
        "node-sass",
        "re2",
        "serialport",
        "sqlite3",
        "zeromq",
    )
)
_COMPILER = (
    "RUN --mount=type=cache,target=/var/cache/apt --mount=type=cache,target=/var/lib/apt/lists,sharing=locked"
    " apt-get update -q && apt-get install -qy --no-install-recommends g++ make python3"
)
# Where the usual builders write to; the first with an index.html is the site.
_SITE = "dist dist/*/browser dist/* build out _site .output/public www public"
_FILE = re.compile(r"[A-Za-z0-9_@][A-Za-z0-9_@./-]{0,200}")


def _file(path: str) -> str:
    """The path without `./`; empty where it is not plainly one."""
    plain = path.removeprefix("./")
    return plain if _FILE.fullmatch(plain) and ".." not in plain else ""


def start(files: Files, about: Package) -> tuple[str, str] | None:
    """The command of web and why; None where nothing starts."""
    script = about.scripts.get("start", "")
    if script and not _DEVELOPERS.search(script):
        plain = not {"prestart", "poststart"} & about.scripts.keys() and "npm_" not in script and script.isprintable()
        return (script.strip() if plain else "npm start"), "the start script of package.json"
    names = set(files.names())
    if "server.js" in names:
        return "node server.js", "there is a server.js"
    main = _file(about.main)
    if main and files.read(main) is not None:
        return f"node {shlex.quote(main)}", "main of package.json"
    if "build" not in about.scripts:
        for name in ("index.js", "app.js", "main.js", "index.mjs"):
            if name in names:
                return f"node {name}", f"there is a {name}"
    bins = {_file(path) for path in about.bins}
    if len(bins) == 1 and "" not in bins:
        return f"node {shlex.quote(bins.pop())}", "bin of package.json"
    return None


def plan(files: Files, build: Build, commands: Commands, offered: Sequence[str]) -> Planned:
    """How to build it. Unbuildable says what is missing."""
    about = package(files)
    choice = node_version.choose(files, about.engine, planned.tags(offered, "node"), about.volta)
    tool = manager(files, about)
    asked = planned.asked(build, commands)
    found, why = dict(asked.commands), asked.why
    script = next((name for name in ("heroku-postbuild", "build") if name in about.scripts), "")
    lines = [f"Detected Node.js {choice.version}: {choice.why}", f"Dependencies by {tool.name}: {tool.why}"]
    if script:
        lines.append(f"Build: the {script} script of package.json")
    native = bool(_NATIVE & about.dependencies.keys()) or "binding.gyp" in files.names()
    stages = _Stages(f"base/node:{choice.version}", tool, about, script, native)
    if not found:
        guess = start(files, about)
        if guess is None and script:
            site = planned.newest(offered, "nginx", "a static site")
            lines.append("Start: nothing does, so what the build writes is served as a static site")
            served = {"web": "serve-site /app /index.html"}
            return Planned(tuple(stages.site(site)), served, tuple(lines), static.FRONT)
        if guess is None:
            raise Unbuildable(
                "NoStartCommand",
                "Nothing says how to start it: add a start script to package.json, a Procfile with a line such as"
                " `web: node server.js`, or set the project's start command.",
            )
        found, why = {"web": guess[0]}, f"{guess[1]}: {guess[0][:200]}"
    lines.append(f"Start: {why}")
    return Planned(tuple(stages.application(found.values())), found, tuple(lines))


@dataclass(frozen=True)
class _Stages:
    """The Containerfile's stages. Dependencies are one of their own: a changed line of code is quick."""

    image: str
    tool: Manager
    about: Package
    script: str
    native: bool

    def _begin(self) -> list[str]:
        lines = [f"FROM {self.image} AS tools", "WORKDIR /app"]
        if self.tool.tool:
            lines.append(f"RUN {NPM_CACHE} npm install --global {self.tool.tool}")
        return [*lines, "FROM tools AS compiler", _COMPILER] if self.native else lines

    def _install(self, stage: str, command: str) -> tuple[list[str], bool]:
        """Lines of a stage that installs, and whether it has the whole repository already."""
        # `prepare` is for those who work on the repository: it may call what only they install.
        bare = "npm pkg delete scripts.prepare && " if "prepare" in self.about.scripts else ""
        hooks = {"preinstall", "install", "postinstall"} & self.about.scripts.keys()
        whole = bool(self.tool.whole or self.about.workspaces or hooks)
        copied = "COPY . ." if whole else f"COPY {' '.join(['package.json', *self.tool.files])} ./"
        begin = f"FROM {'compiler' if self.native else 'tools'} AS {stage}"
        return [begin, copied, f"RUN {CACHE} {bare}{command}"], whole

    def _build(self) -> list[str]:
        lines, whole = self._install("build", self.tool.all)
        run = f"RUN {CACHE} NODE_ENV=production {self.tool.name} run {shlex.quote(self.script)}"
        return [*lines, *([] if whole else ["COPY . ."]), run]

    def site(self, server: str) -> list[str]:
        """All stages; the last one serves what the build wrote."""
        loop = (
            f"RUN for folder in {_SITE}; do if [ -f $folder/index.html ]; then cp -r $folder /site && exit 0; fi; done;"
            " echo 'ERROR: the build wrote no index.html into dist, build, out, _site or public' >&2; exit 1"
        )
        return [*self._begin(), *self._build(), loop, f"FROM {server}", "COPY --from=build /site /app"]

    def application(self, commands: Iterable[str]) -> list[str]:
        """All stages, up to the user of the last."""
        lines = [*self._begin(), *self._install("dependencies", self.tool.production)[0]]
        code = f"COPY --chown={OWNER} . ."
        if self.script:
            lines += [*self._build(), "RUN find . -name node_modules -prune -exec rm -rf {} +"]
            code = f"COPY --from=build --chown={OWNER} /app/ ./"
        called = re.compile(rf"\b{self.tool.name}\b")
        used = bool(self.tool.tool) and any(called.search(command) for command in commands)
        return [
            *lines,
            f"FROM {'tools' if used else self.image}",
            "WORKDIR /app",
            "COPY --from=dependencies /app/ ./",
            code,
            "ENV NODE_ENV=production HOST=0.0.0.0 PATH=/app/node_modules/.bin:$PATH",
            f"USER {OWNER}",
        ]
