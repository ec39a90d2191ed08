"""How a Python repository is installed and started (pure). `detect` calls it.

uv.lock           uv sync --frozen
poetry.lock, [tool.poetry]   poetry install
requirements.txt  pip install -r
pyproject.toml, setup.py     pip install .
"""

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement

from roost.builds import versions
from roost.builds.errors import Unbuildable
from roost.builds.files import Files
from roost.builds.versions import Choice, load_toml, section

MARKERS = ("requirements.txt", "pyproject.toml", "uv.lock", "poetry.lock", "setup.py", "setup.cfg", "Pipfile")
_NAME = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_CANDIDATES = ("app", "main", "wsgi", "asgi", "application", "server", "run", "api")
_SERVERS = {
    "daphne": "daphne",
    "gunicorn": "gunicorn",
    "hypercorn": "hypercorn",
    "uvicorn": "uvicorn",
    "waitress-serve": "waitress",
}
_CACHE = "--mount=type=cache,target=/root/.cache"


@dataclass(frozen=True)
class Installer:
    """name, why it was chosen, the lines that install; `early`: files that its layer needs, empty: all of them."""

    name: str
    why: str
    early: tuple[str, ...]
    run: tuple[str, ...]


@dataclass(frozen=True)
class Start:
    """The command of web, why, and what must be installed for it besides the dependencies."""

    command: str
    why: str
    extra: tuple[str, ...] = ()


def normal(name: str) -> str:
    """A package's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _names(lines: Iterable[object]) -> set[str]:
    found = (_NAME.match(line) for line in lines if isinstance(line, str))
    return {normal(match[1]) for match in found if match}


def dependencies(files: Files) -> set[str]:
    """Names of what the repository says it needs, as PEP 503 compares them."""
    project = load_toml(files, "pyproject.toml")
    found = _names((files.read("requirements.txt") or "").splitlines())
    listed = section(project, "project", "dependencies")
    found |= _names(listed if isinstance(listed, list) else [])
    poetry = section(project, "tool", "poetry", "dependencies")
    found |= {normal(name) for name in poetry} if isinstance(poetry, dict) else set()
    found |= _names(re.findall(r"['\"]([A-Za-z0-9._-]+)", files.read("setup.py") or ""))
    return found


def _own_package(files: Files, project: object) -> tuple[str, ...]:
    """Installs the repository itself, where it is a package that Poetry would find."""
    name = str(section(project, "tool", "poetry", "name") or section(project, "project", "name") or "")
    folder = normal(name).replace("-", "_")
    packaged = section(project, "tool", "poetry", "package-mode") is not False
    there = bool(name) and bool(files.names(folder) or files.names(f"src/{folder}"))
    return (f"RUN {_CACHE} pip install --no-deps .",) if packaged and there else ()


def _of_poetry(table: object) -> list[str]:
    """Poetry's dependencies as pip takes them. Unbuildable for those that only a poetry.lock tells."""
    wanted = []
    for name, value in table.items() if isinstance(table, dict) else ():
        given = value if isinstance(value, dict) else {"version": value}
        if name == "python" or given.get("optional"):
            continue
        extras = f"[{','.join(given['extras'])}]" if isinstance(given.get("extras"), list) else ""
        text = f"{name}{extras}{versions.from_poetry(str(given.get('version', '')))}"
        try:
            Requirement(text)
        except InvalidRequirement:
            text = ""
        if not text or not isinstance(given.get("version"), str) or {"markers", "python", "source"} & given.keys():
            raise Unbuildable(
                "LockMissing", f"Poetry's dependency {name[:60]!r} needs a poetry.lock: run `poetry lock` and push it."
            )
        wanted.append(text)
    return wanted


def _named(project: object) -> list[str]:
    """The dependencies that pyproject.toml names by itself: they can be installed before the code is there."""
    listed = section(project, "project", "dependencies")
    found = [item for item in listed if isinstance(item, str)] if isinstance(listed, list) else []
    try:
        return [str(Requirement(item)) for item in found] if not any("file:" in item for item in found) else []
    except InvalidRequirement:
        return []


def installer(files: Files) -> Installer:
    """Which tool installs the dependencies. Unbuildable where the repository uses one that is not supported."""
    project = load_toml(files, "pyproject.toml")
    if files.read("uv.lock") is not None:
        sync = "uv sync --frozen --inexact --no-dev --no-editable"
        return Installer(
            "uv",
            "there is a uv.lock",
            ("pyproject.toml", "uv.lock"),
            (f"RUN {_CACHE} pip install --quiet uv && {sync} --no-install-project", f"RUN {_CACHE} {sync}"),
        )
    if files.read("poetry.lock") is not None:
        tool = "python -m venv /opt/poetry && /opt/poetry/bin/pip install --quiet poetry poetry-plugin-export"
        export = "/opt/poetry/bin/poetry export --only main --output /opt/poetry/requirements.txt"
        install = "pip install -r /opt/poetry/requirements.txt"
        run = f"RUN {_CACHE} {tool} && {export} && {install} && rm -rf /opt/poetry"
        early = ("pyproject.toml", "poetry.lock")
        return Installer("Poetry", "there is a poetry.lock", early, (run, *_own_package(files, project)))
    if section(project, "tool", "poetry", "dependencies"):
        wanted = _of_poetry(section(project, "tool", "poetry", "dependencies"))
        install = f"RUN {_CACHE} pip install {' '.join(map(shlex.quote, wanted))}"
        why = "pyproject.toml is Poetry's, without a poetry.lock"
        steps = (install if wanted else "RUN true", *_own_package(files, project))
        return Installer("pip", why, ("pyproject.toml",), steps)
    requirements = files.read("requirements.txt")
    if requirements is not None:
        whole = re.search(r"^\s*(-[rce]|--requirement|--constraint|--editable|\.|file:)", requirements, re.MULTILINE)
        run = f"RUN {_CACHE} pip install -r requirements.txt"
        why = "there is a requirements.txt"
        return Installer("pip", why, () if whole else ("requirements.txt",), (run,))
    for path in ("pyproject.toml", "setup.py"):
        if files.read(path) is not None and (path != "pyproject.toml" or project.keys() & {"project", "build-system"}):
            own = f"RUN {_CACHE} pip install ."
            named = _named(project) if path == "pyproject.toml" else []
            if named:
                first = f"RUN {_CACHE} pip install {' '.join(map(shlex.quote, named))}"
                return Installer("pip", f"there is a {path}", (path,), (first, own))
            return Installer("pip", f"there is a {path}", (), (own,))
    if files.read("Pipfile") is not None:
        raise Unbuildable(
            "InstallerMissing",
            "A Pipfile alone is not supported: write a requirements.txt with `pipenv requirements > requirements.txt`.",
        )
    return Installer("nothing", "no file names dependencies", (), ())


def _modules(files: Files) -> list[tuple[str, str]]:
    """(module, text) of where an application object may be, the likeliest first."""
    found: list[tuple[str, str]] = []
    names = files.names()
    plain = [name.removesuffix(".py") for name in names if name.endswith(".py")]
    ordered = [name for name in _CANDIDATES if name in plain] + [name for name in plain if name not in _CANDIDATES]
    for name in ordered[:50]:
        found.append((name, files.read(f"{name}.py") or ""))
    folders = [name.rstrip("/") for name in names if name.endswith("/") and name.rstrip("/").isidentifier()]
    for folder in ["src/" + name.rstrip("/") for name in files.names("src") if name.endswith("/")] + folders[:50]:
        inner = files.names(folder)
        package = folder.removeprefix("src/")
        if "__init__.py" in inner:
            found.append((package, files.read(f"{folder}/__init__.py") or ""))
        for name in _CANDIDATES:
            if f"{name}.py" in inner:
                found.append((f"{package}.{name}", files.read(f"{folder}/{name}.py") or ""))
    return found


def _object(files: Files, classes: str) -> tuple[str, str] | None:
    """(module, object or call) of the first application object that the code makes with one of these classes."""
    factories = []
    for module, text in _modules(files):
        made = re.search(rf"^([A-Za-z_]\w*)\s*(?::[^=\n]+)?=\s*(?:\w+\.)?(?:{classes})\(", text, re.MULTILINE)
        if made:
            return module, made[1]
        if re.search(rf"\b(?:{classes})\(", text) and re.search(r"^def (?:create|make)_app\(", text, re.MULTILINE):
            name = re.search(r"^def ((?:create|make)_app)\(", text, re.MULTILINE)
            factories.append((module, f"{name[1]}()" if name else "create_app()"))
    return factories[0] if factories else None


def _extra(package: str, known: set[str]) -> tuple[str, ...]:
    return () if package in known else (package,)


def _django(files: Files, known: set[str]) -> Start | None:
    if files.read("manage.py") is None or "django" not in known:
        return None
    for folder in files.names():
        if folder.endswith("/") and files.read(f"{folder}wsgi.py") is not None:
            command = f"gunicorn --bind 0.0.0.0:$PORT {folder.rstrip('/')}.wsgi"
            return Start(command, "a Django project", _extra("gunicorn", known))
    return None


def start(files: Files) -> Start | None:
    """How web is started where the repository does not say it; None where that cannot be told."""
    known = dependencies(files)
    django = _django(files, known)
    if django is not None:
        return django
    if known & {"fastapi", "starlette", "litestar"}:
        found = _object(files, "FastAPI|Starlette|Litestar")
        if found:
            flag = " --factory" if found[1].endswith("()") else ""
            name = f"{found[0]}:{found[1].removesuffix('()')}"
            command = f"uvicorn --host 0.0.0.0 --port $PORT{flag} {name}"
            return Start(command, f"an ASGI application in {found[0]}", _extra("uvicorn", known))
    if known & {"flask", "quart", "bottle", "falcon", "dash"}:
        found = _object(files, "Flask")
        if found:
            name = f"{found[0]}:{found[1]}"
            quoted = f"'{name}'" if name.endswith(")") else name
            command = f"gunicorn --bind 0.0.0.0:$PORT {quoted}"
            return Start(command, f"a Flask application in {found[0]}", _extra("gunicorn", known))
    for module in ("wsgi", "app", "main"):
        if re.search(r"^(application)\s*=|^def application\(", files.read(f"{module}.py") or "", re.MULTILINE):
            command = f"gunicorn --bind 0.0.0.0:$PORT {module}:application"
            return Start(command, f"a WSGI application in {module}.py", _extra("gunicorn", known))
    return None


def servers(files: Files, commands: Iterable[str]) -> tuple[str, ...]:
    """Servers that a start command calls and that no file names as a dependency: they are added."""
    known = dependencies(files)
    called = {command.split()[0] for command in commands if command.strip()}
    return tuple(sorted(package for program, package in _SERVERS.items() if program in called and package not in known))


def collects_static(files: Files) -> bool:
    """Whether this is a Django project that gathers its static files in one folder."""
    if files.read("manage.py") is None:
        return False
    paths = [f"{folder}settings.py" for folder in files.names() if folder.endswith("/")]
    return any(re.search(r"^\s*STATIC_ROOT\s*=", files.read(path) or "", re.MULTILINE) for path in paths)


def lines(choice: Choice, tool: Installer, extra: tuple[str, ...], static: bool) -> list[str]:
    """The Containerfile's lines up to CMD. Dependencies are a layer of their own: a changed line of code is quick."""
    result = [
        f"FROM base/python:{choice.version}",
        "WORKDIR /app",
        "RUN python -m venv /opt/venv",
        "ENV PATH=/opt/venv/bin:$PATH VIRTUAL_ENV=/opt/venv UV_PROJECT_ENVIRONMENT=/opt/venv UV_PYTHON_DOWNLOADS=never",
    ]
    if extra:
        result.append(f"RUN {_CACHE} pip install --quiet {' '.join(extra)}")
    if tool.run and tool.early:
        result += [f"COPY {' '.join(tool.early)} ./", tool.run[0]]
    result.append("COPY --chown=1000:1000 . .")
    result += tool.run[1:] if tool.early else tool.run
    if static:
        result.append("RUN python manage.py collectstatic --noinput")
    return [*result, "USER 1000:1000"]
