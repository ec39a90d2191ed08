"""`roost doctor`: looks at all between this terminal and the application, and says what to do about each trouble.

Each look is a function that gives findings; what a later one needs and an earlier one found missing is not looked at.
"""

import socket
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import click

from roost.surface.terminal import output as out
from roost.surface.terminal import state
from roost.surface.terminal.failure import ERROR, NOT_FOUND, Failure, printable
from roost.surface.terminal.repository import Repository
from roost.surface.terminal.session import Session
from roost.surface.terminal.shape import command, output, pass_session, target
from roost.surface.terminal.words import tr

Mark = Literal["ok", "care", "bad"]
MARKS: Final[Mapping[Mark, tuple[str, str]]] = {"ok": ("✓", "green"), "care": ("!", "yellow"), "bad": ("✗", "red")}
SKEW: Final = timedelta(seconds=30)  # More, and certificates and tokens seem to begin or end at another time.
SOON: Final = timedelta(days=30)
WAIT_S: Final = 5.0


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: `text` is what was seen, `hint` what to do where it is not as it should be."""

    name: str
    mark: Mark
    text: str
    hint: str = ""


def machine(session: Session) -> Iterator[Finding]:
    """What this machine has."""
    version = Repository(session.directory, session.environment).program()
    if version:
        yield Finding("git", "ok", version)
    else:
        yield Finding("git", "care", tr("It is not installed; pushing needs it."), tr("Install git."))


def login(session: Session) -> Iterator[Finding]:
    """Who is signed in where, and whether others can read it."""
    kept = session.login
    if not kept.server or not kept.token:
        yield Finding("login", "bad", tr("You are not signed in."), tr("Sign in with `roost login URL`."))
        return
    yield Finding("login", "ok", f"{kept.name or '-'} @ {kept.server}")
    file = state.path(session.environment)
    if file.exists() and stat.S_IMODE(file.stat().st_mode) & 0o077:
        yield Finding("login", "bad", tr("Others can read {file}.", file=file), f"chmod 600 {file}")


def authority(session: Session) -> Iterator[Finding]:
    """The CA file."""
    file = session.login.ca
    if not file:
        return
    hint = tr("Sign in again with `roost login {server} --ca FILE`.", server=session.login.server)
    try:
        from cryptography import x509

        until = x509.load_pem_x509_certificate(Path(file).read_bytes()).not_valid_after_utc
    except (OSError, ValueError) as error:
        yield Finding("CA", "bad", f"{file}: {error}", hint)
        return
    left = until - datetime.now(UTC)
    text = tr("{file} is good until {day}.", file=file, day=f"{until:%Y-%m-%d}")
    yield Finding(
        "CA", "ok" if left > SOON else "care" if left > timedelta(0) else "bad", text, "" if left > SOON else hint
    )


def network(session: Session) -> Iterator[Finding]:
    """The server's name and port."""
    from roost.surface.terminal.client import is_local

    url = urlsplit(session.login.server)
    host, port = str(url.hostname), url.port or (443 if url.scheme == "https" else 80)
    address = "127.0.0.1"
    if not is_local(host):
        try:
            address = str(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][4][0])
        except OSError as error:
            yield Finding(
                "DNS", "bad", f"{host}: {error}", tr("Ask who runs the name server for a record of {host}.", host=host)
            )
            return
    yield Finding("DNS", "ok", f"{host} → {address}")
    try:
        socket.create_connection((address, port), timeout=WAIT_S).close()
    except OSError as error:
        hint = tr("Is the cluster up? On its machine: `roost node status`. Else a firewall may stand between.")
        yield Finding("network", "bad", f"{address}:{port}: {error}", hint)
        return
    yield Finding("network", "ok", f"{address}:{port}")


def api(session: Session) -> Iterator[Finding]:
    """Whether the API answers, trusts the token, and has the same time."""
    session.api.get("/readyz")
    yield Finding("API", "ok", tr("It answers, and so does its cluster."))
    me = session.api.get("/v1/me")
    yield Finding("token", "ok", tr("You are {person}.", person=me.get("person", "-")))
    said = _date(session)
    if said is None:
        return
    skew = abs(datetime.now(UTC) - said)
    text = tr("This clock and the server's differ by {seconds} s.", seconds=int(skew.total_seconds()))
    hint = tr("Let both be set by a time server (chrony, systemd-timesyncd).") if skew > SKEW else ""
    yield Finding("clock", "bad" if skew > SKEW else "ok", text, hint)


def _date(session: Session) -> datetime | None:
    from roost.surface.terminal.client import is_local, trust

    url = urlsplit(session.login.server)
    if url.scheme == "https" and is_local(str(url.hostname)):
        return None  # The server is this machine: there is one clock.
    try:
        date = _asked(session.login.server, "/healthz", trust(session.login) if url.scheme == "https" else None)[1]
        return parsedate_to_datetime(date)
    except (OSError, ValueError):
        return None


def _asked(url: str, path: str, context: Any = None) -> tuple[int, str]:
    """(status, the answer's Date) of a plain GET; OSError where nothing answers."""
    from http.client import HTTPConnection, HTTPException, HTTPSConnection

    from roost.surface.terminal.client import is_local

    parts = urlsplit(url)
    host = "127.0.0.1" if is_local(str(parts.hostname)) else str(parts.hostname)
    if context is not None:
        connection: HTTPConnection = HTTPSConnection(host, parts.port or 443, timeout=WAIT_S, context=context)
    else:
        connection = HTTPConnection(host, parts.port or 80, timeout=WAIT_S)
    with closing(connection):
        try:
            connection.request("GET", path, headers={"Host": parts.netloc})
            with connection.getresponse() as answer:
                return answer.status, str(answer.headers.get("Date", ""))
        except HTTPException as error:
            raise OSError(f"no HTTP: {error!r}") from error


def place(session: Session) -> Iterator[Finding]:
    """The tenant and the environment."""
    tenant = session.api.get(session.of_tenant())
    found = out.condition(tenant)
    good = found.get("status") == "True"
    hint = (
        "" if good else tr("Tell an administrator; they see it with `roost tenant show {name}`.", name=session.tenant)
    )
    text = session.tenant if good else str(found.get("message") or out.state(tenant))
    yield Finding("tenant", "ok" if good else "bad", text, hint)
    known = [str(item["name"]) for item in out.at(tenant, "spec.environments", ())]
    if session.env in known:
        yield Finding("environment", "ok", session.env)
    else:
        yield Finding(
            "environment",
            "bad",
            tr("There is no {name}.", name=session.env),
            tr("There are: {names}.", names=", ".join(known)),
        )


def application(session: Session) -> Iterator[Finding]:
    """The application, its instances and its address."""
    from roost.surface.terminal.instances import word

    app = session.api.get(session.of_app())
    ready = out.condition(app)
    good = ready.get("status") == "True"
    hint = "" if good else tr("See `{command}`.", command=session.command("status --tree"))
    yield Finding("application", "ok" if good else "bad", str(ready.get("message") or out.state(app)), hint)
    for item in session.api.get(session.of_app("instances")).get("items", []):
        told = word(session, item)
        if told.why:
            yield Finding(str(item.get("name")), "care", told.why, told.hint)
    if out.at(app, "status.url") and good:
        yield _answer(str(app["status"]["url"]), session)


def _answer(url: str, session: Session) -> Finding:
    try:
        status, _ = _asked(url, urlsplit(url).path or "/")
    except OSError as error:
        hint = tr("Does the name lead to the gateway? `{command}`", command=session.command("domain list"))
        return Finding("URL", "bad", f"{url}: {error}", hint)
    hint = tr("See `{command}`.", command=session.command("logs")) if status >= 500 else ""
    text = tr("{url} answers with {status}.", url=url, status=status)
    return Finding("URL", "bad" if status >= 500 else "ok", text, hint)


def repository(session: Session) -> Iterator[Finding]:
    """The git repository of this directory, where it is one of Roost's."""
    here = Repository(session.directory, session.environment)
    if not here.exists or not here.remote:
        return
    unsaved = here.unsaved()
    text = tr("{count} files are not committed and do not come along.", count=unsaved) if unsaved else here.remote
    yield Finding("repository", "care" if unsaved else "ok", text)
    with suppress(Failure):
        runs = [
            item
            for item in session.api.items(session.of_tenant("runs"))["items"]
            if out.at(item, "spec.project") == session.app
        ]
        newest = max(runs, key=lambda item: str(out.at(item, "metadata.creationTimestamp", "")), default=None)
        if newest is not None and out.at(newest, "status.phase") == "Failed":
            hint = tr("See `{command}`.", command=f"roost build logs {out.name_of(newest)} -t {session.tenant}")
            yield Finding("build", "bad", str(out.condition(newest).get("message", "")), hint)


# What the later ones need, the earlier ones look at; `needed`: where it is bad, nothing after it is looked at.
LOOKS: Final[tuple[tuple[str, Callable[[Session], Iterator[Finding]], bool], ...]] = (
    ("machine", machine, False),
    ("login", login, True),
    ("CA", authority, True),
    ("network", network, True),
    ("API", api, True),
    ("tenant", place, True),
    ("application", application, False),
    ("repository", repository, False),
)


def look(session: Session) -> Iterator[Finding]:
    """All findings, in the order in which one thing needs another."""
    for name, looks, needed in LOOKS:
        bad = False
        try:
            for finding in looks(session):
                bad = bad or finding.mark == "bad"
                yield finding
        except Failure as failure:
            # Without an application in mind there is none to look at.
            absent = name == "application" and failure.code in (2, NOT_FOUND)
            yield Finding(
                name,
                "care" if absent else "bad",
                ": ".join(filter(None, [failure.message.rstrip("."), failure.why])),
                failure.hint,
            )
            bad = not absent
        if bad and needed:
            return


@command("doctor", examples=("roost doctor", "roost doctor -a shop -e prod", "roost doctor -o json"))
@target("app")
@output
@pass_session
def doctor(session: Session) -> int:
    """Look at all between this terminal and the application, and say what to do; 1 where something is wrong."""
    found = []
    for finding in look(session):
        found.append(finding)
        if not session.machine:
            _tell(finding)
    if session.machine:
        out.show_list({"items": [asdict(item) for item in found]}, (), session.output)
    elif all(item.mark == "ok" for item in found):
        out.say("\n" + tr("All is well."))
    return ERROR if any(item.mark == "bad" for item in found) else 0


def _tell(finding: Finding) -> None:
    mark, colour = MARKS[finding.mark]
    shown = click.style(mark, fg=colour) if out.coloured() else mark
    used = 2 + max(12, len(finding.name)) + 2
    first, *rest = out.wrapped(printable(finding.text), used) or [""]
    out.write(f"{shown} {printable(finding.name).ljust(12)}  {first}")
    for line in rest:
        out.write(" " * used + line)
    if finding.hint:
        for number, line in enumerate(out.wrapped(printable(finding.hint), 18)):
            told = ("  " if number else "→ ") + line
            out.write(" " * 16 + (click.style(told, fg="cyan") if out.coloured() else told))
