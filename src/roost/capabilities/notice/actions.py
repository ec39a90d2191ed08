"""Effects of notices beside what is applied: mail, the certificates of their pods, old notices that go."""

import asyncio
from pathlib import Path
from typing import Final

from roost.adapters.mail import Mail, MailFailed, Server
from roost.kernel.action import ActionContext
from roost.kube.errors import Conflict, NotFound
from roost.model.errors import Stalled, Waiting
from roost.model.kinds.channel import Notice
from roost.model.names import API_VERSION
from roost.model.plan import Action
from roost.surface.build_trust import copy_trust

CREDENTIALS: Final = Path("/etc/roost/smtp")


async def prepare(action: Action, context: ActionContext) -> None:
    """The certificates stand before the pod starts."""
    await copy_trust(str(action.arguments["tenant"]), context)


async def mail(action: Action, context: ActionContext) -> None:
    """Send it. Waiting while the server does not take it; what it refuses for good is Stalled."""
    given = action.arguments
    server = Server(context.settings.smtp, context.settings.mail_from, CREDENTIALS)
    letter = Mail(tuple(given["to"]), str(given["subject"]), str(given["text"]), action.key)
    try:
        await asyncio.to_thread(server.send, letter)
    except MailFailed as error:
        if error.refused:
            raise Stalled("Refused", str(error)) from error
        raise Waiting("NotTaken", str(error), after_s=float(given["afterS"])) from error


async def forget(action: Action, context: ActionContext) -> None:
    """Delete a notice that ended long ago, if it is still the one that was seen."""
    meta = {"name": action.arguments["name"], "namespace": action.arguments["namespace"]}
    try:
        await context.client.delete({"apiVersion": API_VERSION, "kind": Notice.KIND, "metadata": meta}, action.key)
    except (NotFound, Conflict):
        return


ACTIONS = {"prepare": prepare, "mail": mail, "forget": forget}
