"""What two environments set differently for the same application: what a promotion leaves as it is. Pure.

The controller notes it on each Promotion, so that whoever approves it sees what the version will live with. It is read
by whoever may read the Promotion, so it tells of configuration and secrets only that they differ, never a value.
"""

from typing import Any, Final, Literal

from pydantic import Field

from roost.model.difference import MAX_PATH, difference
from roost.model.kinds.app import AppSpec
from roost.model.resource import Model

MOST: Final = 100
OPEN: Final = "processes["  # What is told with its values: scale, resources, health, grace.
SETTINGS: Final = ("name", "replicas", "resources", "health", "graceS")


class SettingDifference(Model):
    """One setting."""

    field: str = Field(max_length=MAX_PATH, description="A path, e.g. `config[DATABASE].value`.")
    where: Literal["both", "source", "target"] = Field(
        description="both: with different values; else in this environment only."
    )
    source: str | None = Field(None, max_length=200, description="The value there; never of configuration.")
    target: str | None = Field(None, max_length=200, description="The value here; never of configuration.")


def _settings(spec: AppSpec) -> dict[str, Any]:
    content = spec.wire()
    processes = [{key: item[key] for key in SETTINGS if key in item} for item in content["processes"]]
    kept = ("config", "domains", "secretVersion")
    return {"processes": processes, **{key: content[key] for key in kept if key in content}}


def differences(source: AppSpec, target: AppSpec | None) -> tuple[SettingDifference, ...]:
    """What the target sets differently from the source, by path. None: it is new, and begins with the defaults."""
    found = []
    here = target or AppSpec(processes=source.processes)
    for change in difference(_settings(source), _settings(here)):
        told = change.field.startswith(OPEN)
        found.append(
            SettingDifference(
                field=change.field,
                where="source" if change.after is None else "target" if change.before is None else "both",
                source=change.before if told else None,
                target=change.after if told else None,
            )
        )
    return tuple(found[:MOST])
