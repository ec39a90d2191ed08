"""`roost login`, `logout`, `whoami`, `password`: who calls, and where the API is."""

import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from roost.surface.terminal import output as out
from roost.surface.terminal import state
from roost.surface.terminal.failure import NOT_ALLOWED, USAGE, Failure
from roost.surface.terminal.session import Session
from roost.surface.terminal.shape import command, output, pass_session
from roost.surface.terminal.words import tr

if TYPE_CHECKING:
    from roost.surface.terminal.client import Client


def _client(login: state.Login) -> "Client":
    from roost.surface.terminal.client import Client

    return Client(login)


def _read_password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise Failure(tr("There is no terminal to ask for the password."), hint=tr("Use --password-stdin."), code=USAGE)
    return str(click.prompt(tr("Password"), hide_input=True, err=True))


def _read_name(login: state.Login) -> str:
    if not sys.stdin.isatty():
        raise Failure(tr("There is no terminal to ask for the name."), hint=tr("Add --name NAME."), code=USAGE)
    return str(click.prompt(tr("Name"), default=login.name or None, err=True))


def _check_server(server: str) -> None:
    from roost.surface.terminal.client import is_local

    host = server.partition("://")[2].split("/")[0].rpartition("@")[2].split(":")[0]
    if server.startswith("http://") and not is_local(host) and host != "127.0.0.1":
        out.say(tr("Warning: {server} is not encrypted; the password can be read on the way.", server=server))


@command(
    "login",
    examples=(
        "roost login https://api.roost.localhost --ca ca.crt",
        "roost login https://api.roost.localhost --browser",
        "roost login --name mei --password-stdin < password.txt",
    ),
)
@click.argument("url", required=False)
@click.option(
    "--ca", type=click.Path(dir_okay=False), help="A PEM file with the authority that the server is trusted by."
)
@click.option("--name", "-n", help="Your name; asked for without it.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--browser", is_flag=True, help="Sign in with a browser, on this machine or another one.")
@pass_session
def login(
    session: Session, url: str | None, ca: str | None, name: str | None, password_stdin: bool, browser: bool
) -> None:
    """Sign in at a Roost API and remember it.

    Name and password are asked for; with --browser a code is shown that is let through in a browser. The login is kept
    in ~/.config/roost/config.toml, for you alone to read. Without a URL the last server is taken.
    """
    known = session.login
    target = _target(known, url, ca)
    if browser:
        from roost.cli.device import by_browser

        _keep(session, by_browser(target))
        return
    with closing(_client(target)) as client:
        person = name or _read_name(known)
        given = {"name": person, "password": _read_password(password_stdin)}
        try:
            answer = client.send("POST", "/v1/session", given)
        except Failure as failure:
            if failure.code == NOT_ALLOWED:  # Not "sign in": that is what was just tried.
                failure.hint = tr(
                    "Try again; an administrator gives a new password by `roost user password {name}`.", name=person
                )
            raise
    _keep(session, replace(target, token=str(answer["token"]), name=str(answer.get("person") or person)))
    if answer.get("initialPassword"):
        out.say(tr("Your password is the first one that was made for you: change it with `roost password`."))


def _target(known: state.Login, url: str | None, ca: str | None) -> state.Login:
    server = (url or known.server).rstrip("/")
    if not server:
        raise Failure(tr("It is not clear where to sign in."), hint=tr("Add the URL of the API."), code=USAGE)
    if "://" not in server:
        server = f"https://{server}"
    _check_server(server)
    return state.Login(
        server=server, ca=str(Path(ca).resolve()) if ca else (known.ca if server == known.server else "")
    )


def _keep(session: Session, login: state.Login) -> None:
    file = state.write_login(session.environment, login)
    out.say(tr("Signed in at {server} as {name}; kept in {file}.", server=login.server, name=login.name, file=file))


@command("join", examples=("roost join 'https://api.roost.localhost/invitation?token=rsi_...'",))
@click.argument("url")
@click.option(
    "--ca", type=click.Path(dir_okay=False), help="A PEM file with the authority that the server is trusted by."
)
@click.option("--name", "-n", help="The name to have here; it never changes.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@pass_session
def join(session: Session, url: str, ca: str | None, name: str | None, password_stdin: bool) -> None:
    """Take up an invitation: as who you are, where you are signed in, else as somebody new."""
    server, _, token = url.partition("/invitation?token=")
    if not token:
        raise Failure(tr("{url} is no invitation.", url=url), hint=tr("Paste the whole link."), code=USAGE)
    known = session.login
    if known.server == server and known.token and not name:
        session.api.send("POST", "/v1/me/invitations", {"token": token})
        out.say(tr("You are in; `roost whoami` shows where."))
        return
    target = _target(known, server, ca)
    with closing(_client(target)) as client:
        person = name or _read_name(state.Login())
        body = {"token": token, "name": person, "password": _read_password(password_stdin)}
        answer = client.send("POST", "/v1/invitations/accept", body)
    _keep(session, replace(target, token=str(answer["token"]), name=str(answer["person"])))


@command("logout")
@pass_session
def logout(session: Session) -> None:
    """Sign out: the token ends at the server and is forgotten here."""
    known = session.login
    if not known.token:
        out.say(tr("You are not signed in."))
        return
    ended = True
    try:
        session.api.send("DELETE", "/v1/session")
    except Failure as failure:
        ended = False
        out.say(tr("The server was not told: {why}", why=failure.message))
    state.write_login(session.environment, replace(known, token=""))
    out.say(tr("Signed out of {server}.", server=known.server) if ended else tr("The token is forgotten here."))


@command("whoami")
@output
@pass_session
def whoami(session: Session) -> None:
    """Show who you are, where, and in which tenants."""
    me = session.api.get("/v1/me")

    def people() -> None:
        out.facts(
            [
                ("Person", me.get("person", "")),
                ("Name", me.get("title", "")),
                ("Mail", me.get("mail", "")),
                ("Platform role", me.get("platformRole", "")),
                ("Server", session.login.server),
            ]
        )
        if me.get("tenants"):
            out.write("")
            rows = [{**item, **role} for item in me["tenants"] for role in item.get("roles") or [{}]]
            out.table(rows, TENANTS, wide=session.output == "wide")

    out.show_one({**me, "name": me.get("person", "")} if session.output == "name" else me, session.output, people)


def _environments(row: Any) -> str:
    return ", ".join(row.get("environments") or ()) or tr("all")


TENANTS = (
    out.field("TENANT", "name"),
    out.field("ROLE", "role"),
    out.Column("ENVIRONMENTS", _environments),
    out.field("TITLE", "title"),
)


@command("password")
@click.option(
    "--stdin", "from_stdin", is_flag=True, help="Read the old and the new password, a line each, from standard input."
)
@pass_session
def password(session: Session, from_stdin: bool) -> None:
    """Change your password."""
    if from_stdin:
        old, new = (sys.stdin.readline().rstrip("\r\n") for _ in range(2))
    else:
        if not sys.stdin.isatty():
            raise Failure(tr("There is no terminal to ask for the password."), hint=tr("Use --stdin."), code=USAGE)
        old = click.prompt(tr("Old password"), hide_input=True, err=True)
        new = click.prompt(tr("New password"), hide_input=True, confirmation_prompt=tr("Once more"), err=True)
    session.api.send("PUT", "/v1/me/password", {"old": old, "new": new})
    out.say(tr("The password is changed."))
