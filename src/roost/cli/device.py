"""Signing in with a browser: a code is shown here and let through there (RFC 8628). For `roost login --browser`."""

import sys
from contextlib import closing
from dataclasses import replace
from threading import Event
from typing import TYPE_CHECKING, Final

from roost.surface.terminal import output as out
from roost.surface.terminal import state
from roost.surface.terminal.failure import NOT_ALLOWED, Failure
from roost.surface.terminal.words import tr

if TYPE_CHECKING:
    from roost.surface.terminal.client import Client

GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
SLOWER_S: Final = 5


def by_browser(login: state.Login) -> state.Login:
    """The login with the token of whoever let the code through; Failure where nobody did."""
    from roost.surface.terminal.client import Client

    with closing(Client(login)) as client:
        return _signed_in(client, login)


def _signed_in(client: "Client", login: state.Login) -> state.Login:
    asked = client.form("/v1/device/authorization", {"client_id": "roost-cli"})
    out.say(tr("Open this address in a browser, sign in and compare the code:"))
    out.say(f"  {asked['verification_uri_complete']}")
    out.say(tr("Code: {code}", code=asked["user_code"]))
    _open(asked["verification_uri_complete"])
    pause, left = int(asked["interval"]), int(asked["expires_in"])
    fields = {"grant_type": GRANT, "device_code": asked["device_code"], "client_id": "roost-cli"}
    while left > 0:
        Event().wait(pause)
        left -= pause
        answer = client.form("/v1/device/token", fields)
        error = answer.get("error")
        if error is None:
            return replace(login, token=str(answer["access_token"]), name=str(answer["person"]))
        if error == "slow_down":
            pause += SLOWER_S
        elif error != "authorization_pending":
            break
    raise Failure(
        tr("Nobody let this terminal in."), hint=tr("Begin anew with `roost login --browser`."), code=NOT_ALLOWED
    )


def _open(url: str) -> None:
    """Open the browser where there is a person who sees it."""
    if sys.stdout.isatty():
        import webbrowser

        webbrowser.open(url)
