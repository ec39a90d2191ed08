"""`roost releases sbom`: the packages that a version consists of."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import click

from roost.surface.terminal import output as out
from roost.surface.terminal.session import Session
from roost.surface.terminal.shape import command, output, pass_session, target
from roost.surface.terminal.words import tr

COLUMNS: Final = (
    out.field("PACKAGE", "name"),
    out.field("VERSION", "version"),
    out.Column("KIND", lambda row: str(out.at(row, "purl", "")).removeprefix("pkg:").partition("/")[0] or "-"),
    out.field("PURL", "purl", wide=True),
)


def sbom_of(version: click.ParamType[int], newest: Callable[[Session], int]) -> click.Command:
    """The command; `newest` gives the number of the version that is meant without one."""

    @command("sbom", examples=("roost releases sbom", "roost releases sbom v3 -o json > shop.cdx.json"))
    @click.argument("wanted", type=version, required=False, metavar="[VERSION]")
    @click.option(
        "--kind", default=None, metavar="KIND", help="Only packages of this kind: npm, pypi, maven, golang, deb."
    )
    @target("app")
    @output
    @pass_session
    def sbom(session: Session, wanted: int | None, kind: str | None) -> None:
        """Show the bill of materials of a version: its packages and those of its base; of the newest without a number.

        `-o json` gives CycloneDX, as scanners read it.
        """
        found = session.api.get(session.of_env("releases", f"{session.app}-v{wanted or newest(session)}", "sbom"))
        if session.machine and not kind:
            out.show_one(found, session.output, lambda: None)
            return
        out.show_list({"items": _of_kind(found, kind)}, COLUMNS, session.output, tr("There is no such package in it."))

    return sbom


def _of_kind(document: Mapping[str, Any], kind: str | None) -> list[Any]:
    rows = list(document.get("components") or ())
    return [row for row in rows if kind is None or str(out.at(row, "purl", "")).startswith(f"pkg:{kind}/")]
