"""app.json: what a repository says of its processes' health and number (pure). `detect` calls it.

The formats are those of Heroku (`formation`, https://devcenter.heroku.com/articles/app-json-schema) and Dokku
(`healthchecks`, https://dokku.com/docs/deployment/zero-downtime-deploys/). What Roost has no use for is left alone.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from roost.builds.errors import Unbuildable
from roost.builds.files import Files
from roost.model.kinds.app import Health, Process

FILE = "app.json"
MOST = 20  # Checks of one process that are looked at.
_PATH = re.compile(r"/[!-~]{0,199}")
_ORDER = ("readiness", "startup", "liveness")  # The first that is there says when an instance serves.
_LEAST_S, _MOST_S, _USUAL_S = 5, 3600, 60


@dataclass(frozen=True)
class Said:
    """health, replicas: by process, where something says them. lines: for people."""

    health: Mapping[str, Health] = field(default_factory=dict)
    replicas: Mapping[str, int] = field(default_factory=dict)
    lines: tuple[str, ...] = ()

    def applied(self, processes: Iterable[Process]) -> tuple[Process, ...]:
        """The processes with it. Only one that has a port can be asked for its health."""
        return tuple(
            process.model_copy(
                update={
                    "health": self.health.get(process.name, process.health) if process.port else process.health,
                    "replicas": self.replicas.get(process.name, process.replicas),
                }
            )
            for process in processes
        )


def read(files: Files) -> Said:
    """What app.json says; nothing where there is none. Unbuildable where it is no JSON object."""
    text = files.read(FILE)
    if text is None:
        return Said()
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unbuildable("BadFile", f"{FILE} cannot be read: {str(error)[:200]}.") from error
    if not isinstance(data, dict):
        raise Unbuildable("BadFile", f"{FILE} is not an object.")
    health: dict[str, Health] = {}
    lines: list[str] = []
    for name, checks in _table(data.get("healthchecks")).items():
        found = _health(checks)
        if found is None:
            lines.append(f"Health of {name[:40]}: {FILE} names no HTTP path for it, which is what Roost asks")
        else:
            health[name] = found
            lines.append(f"Health of {name[:40]}: {found.path}, as {FILE} says")
    replicas: dict[str, int] = {}
    for name, about in _table(data.get("formation")).items():
        number = _number(_table(about).get("quantity"))
        if number is not None and number <= 200:
            replicas[name] = int(number)
    return Said(health, replicas, tuple(lines[:10]))


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: Any) -> float | None:
    """A number that is not negative; None for all else."""
    plain = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e6
    return float(value) if plain else None


def _health(checks: Any) -> Health | None:
    listed = [item for item in checks[:MOST] if isinstance(item, dict)] if isinstance(checks, list) else []
    # `command` and `uptime` are checks of another kind.
    fitting = [item for item in listed if isinstance(item.get("path"), str) and _PATH.fullmatch(item["path"])]
    for kind in _ORDER:
        for item in fitting:
            if item.get("type") == kind:
                return Health(path=item["path"], start_s=_start_s(item))
    return None


def _start_s(check: Mapping[str, Any]) -> int:
    """Seconds that a start may take, out of attempts and pauses: a file makes it longer, never shorter."""
    attempts = _number(check.get("attempts")) or 3.0
    each = (_number(check.get("wait")) or 5.0) + (_number(check.get("timeout")) or 5.0)
    whole = (_number(check.get("initialDelay")) or 0.0) + attempts * each
    return int(min(max(whole, _USUAL_S, _LEAST_S), _MOST_S))
