"""Who changed how a project builds and where that goes, noted in its status. Pure.

An environment that wants four eyes asks for it: a parameter or a build argument changes what runs as a commit does.
"""

from datetime import datetime
from typing import Any, Final

from roost.model.conditions import timestamp
from roost.model.content import digest
from roost.model.kinds.delivery import Edit, Project, ProjectSpec
from roost.model.names import AUTHOR

KEPT: Final = 20
# What changes no image and no destination. A new field of ProjectSpec counts by itself.
ASIDE: Final = ("forge", "concurrency", "previews")


def definition(spec: ProjectSpec) -> str:
    """The digest of how it builds and where that goes."""
    said = spec.essence()
    triggers = {key: value for key, value in said.pop("triggers", {}).items() if key != "paused"}
    kept = {key: value for key, value in said.items() if key not in ASIDE}
    return digest(kept | ({"triggers": triggers} if triggers else {}))


def status(project: Project, now: datetime) -> dict[str, Any]:
    """The fields of the status. Making a project is no edit of it."""
    before, found = project.status, definition(project.spec)
    if before.definition is None or before.definition == found:
        return {"definition": found, "edits": [item.wire() for item in before.edits]}
    made = Edit(person=project.metadata.annotations.get(AUTHOR, "")[:100], at=timestamp(now))
    return {"definition": found, "edits": [item.wire() for item in (*before.edits, made)[-KEPT:]]}
