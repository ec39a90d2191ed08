"""A run that a person starts: of a branch or tag as it stands now, with parameters. The API passes it on.

The name of the Run follows from the request's key, so a request that is sent twice starts one run. Names of refs are
only looked up among those that are there; none of them reaches git.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import Field, ValidationError

from roost.gitserver.moves import Line
from roost.gitserver.requests import Refused
from roost.model import starts
from roost.model.kinds.delivery import Project
from roost.model.kinds.triggers import ParameterRefused, Values
from roost.model.names import started_name
from roost.model.refs import HEADS, TAGS, short
from roost.model.resource import Model

MAX_BYTES = 64 << 10


class Start(Model):
    """What is to be started. `key`: the same one starts the same run."""

    ref: str = Field("", max_length=250, description="A branch or a tag; empty: the project's branch.")
    parameters: Values = Field({}, description="Values that differ from the defaults.")
    key: str = Field(min_length=8, max_length=100, pattern=r"^[A-Za-z0-9_.:-]+$")


def read(body: bytes) -> Start:
    """The request in a body; Refused names what does not fit."""
    try:
        return Start.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "body"
        raise Refused(400, f"{where[:100]}: {first['msg']}") from error


def find(ref: str, project: Project, refs: Mapping[str, str]) -> tuple[str, str]:
    """(full name, object id) of the ref that is meant; Refused where there is none, or where it could be two."""
    wanted = ref or project.spec.branch
    found = [name for name in (wanted, HEADS + wanted, TAGS + wanted) if name in refs]
    if not found:
        known = sorted(map(short, refs))
        told = ", ".join(known[:10]) + (", ..." if len(known) > 10 else "")
        told = told or "none yet: push one"
        raise Refused(404, f"ref: there is no branch or tag {wanted[:100]!r}. There are: {told}.")
    if len(found) > 1:
        raise Refused(409, f"ref: {wanted[:100]!r} is a branch and a tag: say {' or '.join(found)}.")
    return found[0], refs[found[0]]


def run_of(project: Project, tenant: str, start: Start, where: tuple[str, str], who: str, lines: Iterable[Line]) -> Any:
    """The manifest of the Run. where: (full ref, commit); lines: the log of moves. Refused names a parameter."""
    ref, commit = where
    log = list(lines)
    try:
        made = starts.spec_of(
            project,
            ref,
            commit,
            start.parameters,
            attempt=max(1, sum(line.ref == ref for line in log)),
            sequence=len(log),
            author=who[:100],
            cause="manual",
        )
    except ParameterRefused as error:
        raise Refused(400, f"parameters.{error}") from error
    return starts.manifest(project, tenant, started_name(project.metadata.name, "run", start.key), made)
