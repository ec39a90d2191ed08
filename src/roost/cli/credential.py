"""`roost credential`: git asks it for name and password of Roost's own repositories (gitcredentials(7)).

`roost app create` names it in a repository's configuration. It answers for the server of the login and no other.
"""

import sys
from urllib.parse import urlsplit

import click

from roost.surface.terminal.output import write
from roost.surface.terminal.session import Session
from roost.surface.terminal.shape import command, pass_session


@command("credential", hidden=True)
@click.argument("verb", metavar="get|store|erase")
@pass_session
def credential(session: Session, verb: str) -> None:
    """Answer git's question for name and password with the login."""
    asked = dict(line.rstrip("\n").split("=", 1) for line in sys.stdin if "=" in line)
    server = urlsplit(session.login.server)
    here = (asked.get("protocol"), asked.get("host")) == (server.scheme, server.netloc)
    if verb == "get" and here and session.login.token:
        write(f"username={session.login.name or 'token'}\npassword={session.login.token}")
