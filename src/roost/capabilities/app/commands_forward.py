"""`roost port-forward`: a port of an instance on this machine. Each connection is a WebSocket to the API."""

from typing import Final

import click

from roost.capabilities.app.commands_exec import chosen
from roost.surface.terminal import output as out
from roost.surface.terminal.failure import USAGE, Failure
from roost.surface.terminal.session import Session
from roost.surface.terminal.shape import command, pass_session, target
from roost.surface.terminal.words import tr

HERE: Final = "127.0.0.1"  # Nobody else on the network gets in.


def ports_of(text: str) -> tuple[int, int]:
    """(port here, port there) of `8080` or `9000:8080`."""
    here, colon, there = text.partition(":")
    numbers = (here, there if colon else here)
    if not all(part.isdecimal() and 0 <= int(part) <= 65535 for part in numbers) or int(numbers[1]) == 0:
        raise Failure(tr("{text!r} is not [HERE:]PORT.", text=text), hint=tr("For example: 9000:8080"), code=USAGE)
    return int(numbers[0]), int(numbers[1])


@command(
    "port-forward",
    examples=(
        "roost port-forward",
        "roost port-forward 9000:8080 -p worker",
        "roost port-forward 0:5432    # any free port here",
    ),
)
@click.argument("ports", metavar="[HERE:]PORT", required=False)
@click.option(
    "-p", "--process", default="web", metavar="PROCESS", help="Of an instance of this process; web without it."
)
@click.option("--instance", default=None, metavar="NAME", help="Of this instance.")
@target("app")
@pass_session
def port_forward(session: Session, ports: str | None, process: str, instance: str | None) -> None:
    """Reach a port of an instance at a port of this machine, until Ctrl-C; where web listens without one."""
    here, there = ports_of(ports) if ports else _listens(session, process)
    where = chosen(session, instance or process)
    from roost.surface.terminal.forwarding import Server

    try:
        server = Server(session, (HERE, here), there, where)
    except OSError as error:
        raise Failure(
            tr("Port {port} of this machine cannot be had.", port=here),
            why=error.strerror or str(error),
            hint=tr("Choose another one: `{command}`", command=f"roost port-forward 0:{there}"),
        ) from error
    with server:
        out.write(f"{HERE}:{server.server_address[1]}")
        out.say(tr("It leads to port {port} of {instance}. Ctrl-C ends.", port=there, instance=where))
        server.serve_forever()


def _listens(session: Session, process: str) -> tuple[int, int]:
    for item in out.at(session.api.get(session.of_app()), "spec.processes", ()):
        if item.get("name") == process and item.get("port"):
            return int(item["port"]), int(item["port"])
    raise Failure(
        tr("{process} has no port of its own.", process=process), hint=tr("Name one: [HERE:]PORT."), code=USAGE
    )
