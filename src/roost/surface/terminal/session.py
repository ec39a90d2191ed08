"""Session: what every command is given: who calls, which tenant, environment and application are meant, how to print.

Made once by `roost.cli.main`; the common options store into it. The API is reached only when a command asks for it.
"""

import sys
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import click

from roost.surface.terminal import state
from roost.surface.terminal.failure import NOT_ALLOWED, USAGE, Failure
from roost.surface.terminal.output import Format, at
from roost.surface.terminal.words import tr

if TYPE_CHECKING:
    from roost.surface.terminal.client import Client


class Session:
    """One call of `roost`."""

    def __init__(self, environment: Mapping[str, str], directory: Path) -> None:
        self.environment = environment
        self.directory = directory
        self._chosen: dict[str, str] = {}

    def choose(self, key: str, value: str) -> None:
        """What an option says: tenant, env, app or output. A later one wins, so after the verb beats before it."""
        self._chosen[key] = value

    @property
    def output(self) -> Format:
        """The form in which data is printed."""
        return cast(Format, self._chosen.get("output", "table"))

    @property
    def machine(self) -> bool:
        """Whether a machine reads stdout."""
        return self.output in ("json", "yaml", "name")

    @cached_property
    def login(self) -> state.Login:
        """The remembered login; empty fields where there is none."""
        return state.read_login(self.environment)

    @cached_property
    def here(self) -> state.Here:
        """What roost.yaml says."""
        return state.read_here(self.directory)

    @cached_property
    def api(self) -> "Client":
        """The API as the person who signed in; Failure (exit code 4) where nobody did."""
        if not self.login.server or not self.login.token:
            raise Failure(tr("You are not signed in."), hint=tr("Sign in with `roost login URL`."), code=NOT_ALLOWED)
        from roost.surface.terminal.client import Client

        client = Client(self.login)
        context = click.get_current_context(silent=True)
        if context is not None:
            context.find_root().call_on_close(client.close)
        return client

    @cached_property
    def tenant(self) -> str:
        """The tenant: -t, roost.yaml, ROOST_TENANT, else the only one that the person is in."""
        given = self._given("tenant")
        if given:
            return given
        names = self.names("tenant")
        if len(names) == 1:
            return names[0]
        raise Failure(
            tr("It is not clear which tenant is meant."),
            why=tr("There are: {names}.", names=", ".join(names)) if names else tr("There is none for you yet."),
            hint=tr("Add {option} NAME, or write `{key}: NAME` into roost.yaml here.", option="-t", key="tenant"),
            code=USAGE,
        )

    @cached_property
    def env(self) -> str:
        """The environment: -e, roost.yaml, ROOST_ENV, else the tenant's first one, into which pushes go too."""
        return self._given("env") or self.names("env")[0]

    def names(self, key: str) -> list[str]:
        """Which tenants, environments or applications (key `tenant`, `env`, `app`) there are to choose from."""
        if key == "tenant":
            return [str(item["name"]) for item in self.api.get("/v1/me").get("tenants", ())]
        if key == "env":
            return [str(item["name"]) for item in at(self.api.get(self.of_tenant()), "spec.environments", ())]
        return [str(at(item, "metadata.name", "")) for item in self.api.items(self.of_env("apps"))["items"]]

    def move(self, env: str) -> None:
        """Go on in another environment of the same tenant."""
        self.choose("env", env)
        self.__dict__.pop("env", None)

    def go(self, tenant: str, env: str) -> None:
        """Go on in another environment of another tenant."""
        self.choose("tenant", tenant)
        self.__dict__.pop("tenant", None)
        self.move(env)

    @property
    def app(self) -> str:
        """The application: -a, roost.yaml, ROOST_APP."""
        given = self._given("app")
        if not given:
            raise Failure(
                tr("It is not clear which application is meant."),
                hint=tr("Add {option} NAME, or write `{key}: NAME` into roost.yaml here.", option="-a", key="app"),
                code=USAGE,
            )
        return given

    def _given(self, key: str) -> str:
        return self._chosen.get(key) or str(getattr(self.here, key)) or self.environment.get(f"ROOST_{key.upper()}", "")

    def of_tenant(self, *rest: str) -> str:
        """The path of the tenant, of a kind of its build namespace, or of one object of that."""
        return _join("/v1/tenants", self.tenant, *rest)

    def of_env(self, kind: str, *rest: str) -> str:
        """The path of a kind of the environment, or of one object of it."""
        return _join("/v1/tenants", self.tenant, "environments", self.env, kind, *rest)

    def of_app(self, *rest: str) -> str:
        """The path of the application, or of something beneath it."""
        return self.of_env("apps", self.app, *rest)

    @property
    def place(self) -> str:
        """`tenant/environment/app`, for talk."""
        return f"{self.tenant}/{self.env}/{self.app}"

    def command(self, verb: str) -> str:
        """A command for this application that one can paste here; what roost.yaml says is left out."""
        meant = (
            ("-t", self.tenant, self.here.tenant),
            ("-e", self.env, self.here.env),
            ("-a", self.app, self.here.app),
        )
        return " ".join([f"roost {verb}", *(f"{option} {name}" for option, name, known in meant if name != known)])

    def ask(self, question: str, yes: bool) -> None:
        """Go on only if the person says yes; without a terminal only with --yes."""
        if yes:
            return
        if not sys.stdin.isatty():
            raise Failure(tr("This wants a yes."), hint=tr("Add --yes."), code=USAGE)
        if not click.confirm(question, default=False, err=True):
            raise Failure(tr("Nothing was changed."), code=1)

    def confirm(self, warning: str, name: str, given: str | None) -> None:
        """Go on only if the name of what goes is typed; `given` is the value of --confirm."""
        if given is None:
            if not sys.stdin.isatty():
                raise Failure(
                    tr("This wants the name typed once more."), hint=tr("Add --confirm {name}.", name=name), code=USAGE
                )
            click.echo(warning, err=True)
            given = click.prompt(tr("Type {name} to go on", name=name), err=True)
        if given != name:
            raise Failure(
                tr("Nothing was changed."),
                why=tr("{given!r} is not {name!r}.", given=given, name=name),
                code=USAGE,
            )


def _join(base: str, *parts: str) -> str:
    return "/".join([base, *(quote(part, safe="") for part in parts)])


def number_of(release: Any) -> int:
    """The number of a Release."""
    return int(at(release, "spec.number", 0))
