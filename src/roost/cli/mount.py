"""Which commands `roost` has: its own, named here by import string, and those that capabilities and services bring.

Used by the root group. Nothing is imported before it is needed: `roost version` loads one module.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Final

import click

from roost.kernel.capability import Capability, load
from roost.surface.terminal.shape import Group

# In the order of the help. What capabilities bring stands between the daily ones and these.
OWN: Final[Mapping[str, str]] = {
    "get": "roost.cli.objects:get",
    "apply": "roost.cli.objects:apply",
    "explain": "roost.cli.objects:explain",
    "login": "roost.cli.account:login",
    "logout": "roost.cli.account:logout",
    "whoami": "roost.cli.account:whoami",
    "password": "roost.cli.account:password",
    "token": "roost.cli.token:token",
    "machine": "roost.cli.machine:machine",
    "join": "roost.cli.account:join",
    "kubeconfig": "roost.cli.kubeconfig:kubeconfig",
    "doctor": "roost.cli.doctor:doctor",
    "install": "roost.node.installer.commands:install",
    "upgrade": "roost.node.installer.commands:upgrade",
    "uninstall": "roost.node.installer.commands:uninstall",
    "signing-key": "roost.node.signing_commands:signing_key",
    "node": "roost.cli.mount:node",
    "completion": "roost.cli.completion:completion",
    "credential": "roost.cli.credential:credential",
    "version": "roost.cli.version:version",
}
NODE: Final = "roost.node.commands:node"
# Verbs of a capability's noun that need what detects builds: (noun, import string).
GRAFTED: Final = (
    ("project", "roost.cli.eject:eject"),
    ("project", "roost.cli.upload:upload"),
    ("app", "roost.cli.create:create"),
)
HOMES: Final = ("roost.capabilities", "roost.services")
# What people do daily, in this order at the top of the help.
DAILY: Final = ("deploy", "status", "logs", "open", "rollback")


class Lazy(Group):
    """A group that is loaded when its commands are asked for, not when it is named in a help."""

    def __init__(self, name: str, target: str, help: str) -> None:
        super().__init__(name, help=help)
        self.target = target

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Those of the real group."""
        return list(self._real().list_commands(ctx))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """That of the real group."""
        return self._real().get_command(ctx, cmd_name)

    def _real(self) -> click.Group:
        group: click.Group = load(self.target)
        return group


node: Final = Lazy("node", NODE, "The cluster on this machine: up, down, status, wipe (root).")


def _capabilities() -> Iterator[Capability]:
    for home in HOMES:
        for module in iter_modules(import_module(home).__path__):
            if module.ispkg:
                capability = getattr(import_module(f"{home}.{module.name}"), "capability", None)
                if isinstance(capability, Capability):
                    yield capability


@cache
def brought() -> Mapping[str, click.Command]:
    """The commands of all capabilities and services by name, as `Capability.commands` names them."""
    found: dict[str, click.Command] = {}
    for capability in _capabilities():
        if capability.commands is None:
            continue
        commands = load(capability.commands)
        for command in (commands,) if isinstance(commands, click.Command) else commands:
            found[str(command.name)] = command
    for noun, reference in GRAFTED:
        group = found.get(noun)
        if isinstance(group, click.Group):
            group.add_command(load(reference))
    return found


def sections() -> tuple[list[str], list[str], list[str]]:
    """All names in the order of the help: the daily ones, the others that capabilities bring, our own."""
    others = sorted(name for name in brought() if name not in DAILY)
    return [name for name in DAILY if name in brought()], others, list(OWN)


def names() -> list[str]:
    """All names, in the same order."""
    return [name for section in sections() for name in section]


def find(name: str) -> click.Command | None:
    """The command of that name, or None."""
    if name in OWN:
        command: click.Command = load(OWN[name])
        return command
    return brought().get(name)
