"""What a repository is taken for, and what is said where it is none that can be built."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.builds.detect import Detected, detect
from roost.builds.errors import Unbuildable
from roost.builds.files import Listing
from roost.builds.versions import from_poetry
from roost.model.kinds.delivery import Build

OFFERED = ("base/debian:trixie", "base/nginx:1.26", "base/node:24", "base/python:3.11", "base/python:3.13")
FLASK = {"requirements.txt": "Flask==3.1\n", "app.py": "from flask import Flask\napp = Flask(__name__)\n"}
FIRST = """RUN --mount=type=cache,target=/root/.cache pip install 'flask>=3' 'b[c]; python_version > "3"'
COPY --chown=1000:1000 . .
RUN --mount=type=cache,target=/root/.cache pip install ."""


def found(files: dict[str, str], **build: object) -> Detected:
    return detect(Listing(files), Build.model_validate(build), OFFERED)


def refused(files: dict[str, str], **build: object) -> tuple[str, str]:
    with pytest.raises(Unbuildable) as error:
        found(files, **build)
    return error.value.reason, str(error.value)


def test_a_flask_application_needs_nothing_but_its_requirements() -> None:
    result = found(FLASK)
    assert result.lines == (
        "Detected Python 3.13: the newest offered; a .python-version would choose another",
        "Dependencies by pip: there is a requirements.txt",
        "Start: a Flask application in app: gunicorn --bind 0.0.0.0:$PORT app:app (gunicorn is added)",
    )
    (web,) = result.processes
    assert web.command == ("/bin/sh", "-c", "exec gunicorn --bind 0.0.0.0:$PORT app:app") and web.port == 8080
    text = result.containerfile
    assert (
        text.index("COPY requirements.txt ./") < text.index("pip install -r") < text.index("COPY --chown=1000:1000 . .")
    )
    assert text.endswith('CMD ["/bin/sh", "-c", "exec gunicorn --bind 0.0.0.0:$PORT app:app"]\n')
    assert "USER 1000:1000" in text


def test_a_containerfile_comes_first_and_a_dockerfile_is_one() -> None:
    for name in ("Containerfile", "Dockerfile"):
        result = found(FLASK | {name: "FROM base/debian\n"})
        assert result.path == name and result.processes == () and result.containerfile == "FROM base/debian\n"
    assert found(FLASK | {"Dockerfile": "FROM x"}, strategy="python").path == ""


def test_a_procfile_names_the_processes() -> None:
    procfile = (
        "# two\nrelease: python manage.py migrate && echo done\nweb: gunicorn app:app\nworker: python -m worker\n"
    )
    result = found(FLASK | {"Procfile": procfile})
    assert [(item.name, item.port) for item in result.processes] == [("web", 8080), ("worker", None)]
    assert result.release_command == ("/bin/sh", "-c", "python manage.py migrate && echo done")
    both = found({"Containerfile": "FROM base/debian", "Procfile": "web: ./serve"}, port=9000)
    assert both.processes[0].command == ("/bin/sh", "-c", "exec ./serve") and both.processes[0].port == 9000


@pytest.mark.parametrize("line", ["web gunicorn", "Web: x", "celery_worker: x", "a" * 16 + ": x"])
def test_a_procfile_that_does_not_fit_is_told_by_its_line(line: str) -> None:
    reason, message = refused(FLASK | {"Procfile": "\n" + line})
    assert reason == "BadProcfile" and "Line 2" in message


@pytest.mark.parametrize(
    ("files", "version"),
    [
        ({".python-version": "3.11\n"}, "3.11"),
        ({"runtime.txt": "python-3.11.9"}, "3.11"),
        ({".python-version": "3\n"}, "3.13"),
        ({".python-version": "3.11.x\n"}, "3.11"),
        ({".tool-versions": "nodejs 20\npython 3.11.4 3.13.1\n"}, "3.11"),
        ({"pyproject.toml": '[project]\nname="x"\nrequires-python=">=3.9,<3.13"'}, "3.11"),
        ({"pyproject.toml": '[project]\nname="x"\nrequires-python=">=3.11.4"'}, "3.13"),
        ({"pyproject.toml": '[tool.poetry.dependencies]\npython="~3.11"'}, "3.11"),
        ({"pyproject.toml": '[tool.poetry.dependencies]\npython="^3.10"'}, "3.13"),
    ],
)
def test_the_version_is_the_one_that_the_repository_asks_for(files: dict[str, str], version: str) -> None:
    assert f"FROM base/python:{version}\n" in found(FLASK | files).containerfile


def test_a_version_that_is_not_offered_is_told_with_those_that_are() -> None:
    reason, message = refused(FLASK | {".python-version": "3.12"})
    assert reason == "VersionNotOffered" and "3.11 and 3.13" in message
    assert refused(FLASK | {"pyproject.toml": '[project]\nrequires-python="<3"'})[0] == "VersionNotOffered"
    assert refused(FLASK | {".python-version": "pypy3.10"})[0] == "BadVersion"
    assert refused(FLASK | {"pyproject.toml": "[["})[0] == "BadFile"


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"uv.lock": "", "pyproject.toml": "[project]"}, "uv sync --frozen"),
        ({"poetry.lock": "", "pyproject.toml": "[tool.poetry]"}, "poetry export --only main"),
        (
            {
                "pyproject.toml": "[tool.poetry.dependencies]\npython='^3.11'\nflask='^3.0'\n"
                "x={version='~1.2',extras=['a']}"
            },
            "pip install 'flask>=3.0,<4' 'x[a]>=1.2,<1.3'",
        ),
        ({"requirements.txt": "-r base.txt\n"}, "pip install -r requirements.txt"),
        ({"pyproject.toml": '[build-system]\nrequires=["hatchling"]'}, "pip install ."),
        ({"setup.py": ""}, "pip install ."),
        ({"pyproject.toml": '[project]\nname="x"\ndependencies=["flask>=3", "b[c]; python_version>\\"3\\""]'}, FIRST),
        ({"pyproject.toml": '[project]\nname="x"\ndependencies=["x @ file:///y"]'}, "COPY --chown=1000:1000 . ."),
    ],
)
def test_each_way_to_install_is_known(files: dict[str, str], words: str) -> None:
    assert words in found(files, start="serve").containerfile


@pytest.mark.parametrize(
    ("text", "specifier"),
    [
        ("^1.2.3", ">=1.2.3,<2"),
        ("^0.2.3", ">=0.2.3,<0.3"),
        ("^0.0.3", ">=0.0.3,<0.0.4"),
        ("^0", ">=0,<1"),
        ("~1.2.3", ">=1.2.3,<1.3"),
        ("~1", ">=1,<2"),
        ("1.2.*", "==1.2.*"),
        (">= 1.2, < 2", ">=1.2,<2"),
        ("*", ""),
    ],
)
def test_constraints_of_poetry_are_read_as_its_manual_says(text: str, specifier: str) -> None:
    assert from_poetry(text) == specifier


def test_a_package_of_poetry_is_installed_after_its_dependencies() -> None:
    project = {"pyproject.toml": "[tool.poetry]\nname='My-App'\n[tool.poetry.dependencies]\nflask='^3.0'\n"}
    text = found(project | {"src/my_app/__init__.py": ""}, start="my-app").containerfile
    assert (
        text.index("'flask>=3.0,<4'") < text.index("COPY --chown=1000:1000 . .") < text.index("pip install --no-deps .")
    )
    assert "--no-deps" not in found(project, start="my-app").containerfile


def test_requirements_that_name_other_files_get_the_whole_repository_first() -> None:
    text = found({"requirements.txt": "-r requirements/base.txt"}, start="x").containerfile
    assert text.index("COPY --chown=1000:1000 . .") < text.index("pip install -r")


def test_frameworks_are_started_as_their_makers_say() -> None:
    django = {
        "manage.py": "",
        "site/wsgi.py": "",
        "site/settings.py": "STATIC_ROOT = 'x'",
        "requirements.txt": "Django",
    }
    result = found(django)
    assert "gunicorn --bind 0.0.0.0:$PORT site.wsgi" in result.lines[-1]
    assert "collectstatic" in result.containerfile
    api = {"requirements.txt": "fastapi\nuvicorn", "main.py": "api: FastAPI = FastAPI()"}
    assert found(api).lines[-1].endswith("uvicorn --host 0.0.0.0 --port $PORT main:api")
    factory = {
        "requirements.txt": "flask\ngunicorn",
        "shop/__init__.py": "def create_app():\n    return Flask(__name__)",
    }
    assert found(factory).processes[0].command[-1] == "exec gunicorn --bind 0.0.0.0:$PORT 'shop:create_app()'"


def test_a_start_command_of_the_project_wins() -> None:
    assert found(FLASK, start="python serve.py").processes[0].command[-1] == "exec python serve.py"


def test_a_server_that_is_called_and_named_nowhere_is_added() -> None:
    result = found({"pyproject.toml": '[project]\nname="x"'}, start="waitress-serve --port $PORT x:app")
    assert "pip install --quiet waitress" in result.containerfile
    assert result.lines[-1] == "Start: the project's start command starts web (waitress is added)"
    assert "--quiet" not in found({"requirements.txt": "Gunicorn"}, start="gunicorn x:app").containerfile


def test_a_static_site_is_served() -> None:
    assert found({"index.html": "<h1>"}).processes[0].command[-1] == "exec serve-site /app"


@pytest.mark.parametrize(
    ("files", "reason", "words"),
    [
        ({}, "Empty", "no files"),
        ({"README.md": ""}, "NothingDetected", "add a Containerfile"),
        ({"package.json": "{}"}, "NoStartCommand", "start script"),
        ({"backend/requirements.txt": ""}, "NothingDetected", "in backend"),
        ({"requirements.txt": ""}, "NoStartCommand", "Procfile"),
        ({"Pipfile": ""}, "InstallerMissing", "pipenv requirements"),
        ({"pyproject.toml": '[tool.poetry.dependencies]\nx={git="https://x"}'}, "LockMissing", "poetry lock"),
        ({"pyproject.toml": '[tool.poetry.dependencies]\nx="; rm -rf /"'}, "LockMissing", "poetry lock"),
    ],
)
def test_what_is_missing_is_said(files: dict[str, str], reason: str, words: str) -> None:
    assert refused(files)[0] == reason and words in refused(files)[1]


def test_a_containerfile_that_is_not_there_is_told() -> None:
    assert refused(FLASK, containerfile="x/Containerfile")[0] == "ContainerfileMissing"
    assert refused(FLASK, strategy="containerfile")[0] == "ContainerfileMissing"
    assert detect_without_python() == "BaseNotOffered"


def detect_without_python() -> str:
    with pytest.raises(Unbuildable) as error:
        detect(Listing(FLASK), Build(), ("base/debian:trixie",))
    return error.value.reason


NAMES = st.sampled_from(
    [
        "requirements.txt",
        "pyproject.toml",
        "Procfile",
        "Dockerfile",
        "app.py",
        "manage.py",
        "a/wsgi.py",
        ".python-version",
    ]
)


@given(st.dictionaries(NAMES | st.text(min_size=1, max_size=20), st.text(max_size=200), max_size=8))
def test_any_files_are_detected_or_refused_in_words(files: dict[str, str]) -> None:
    try:
        result = found(files)
    except Unbuildable as error:
        assert str(error) and error.reason
    else:
        assert result.lines and all("\n" not in item.command[0] for item in result.processes)
