"""Golden cases of plans: what stands in `<capability>/tests/cases/<case>/{input,observed,expected}.yaml`.

`input.yaml` is the object, `observed.yaml` what was read (`now: <RFC 3339>` may stand in it beside the observation's
own fields), `expected.yaml` the plan. Called by the tests of each capability and by the contract test over all of them.
Write the expectations anew with `python -m roost.kernel.golden <capability> ...`, then read the difference: it is the
review.
"""

import importlib
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_type_hints

import yaml

from roost.kernel.capability import Capability, load
from roost.model.plan import Plan

NOW = datetime(2026, 11, 28, 12, 0, 0, tzinfo=UTC)


def cases(folder: Path) -> list[Path]:
    """The cases beneath `<folder>/tests/cases`, sorted by name."""
    return sorted(path.parent for path in (folder / "tests" / "cases").glob("*/input.yaml"))


def folder_of(capability: Capability) -> Path:
    """The folder that holds a capability's code."""
    assert capability.plan is not None
    module = importlib.import_module(capability.plan.partition(":")[0].rpartition(".")[0])
    assert module.__file__ is not None
    return Path(module.__file__).parent


def as_data(plan: Plan) -> dict[str, Any]:
    """A plan as plain data, without what is empty."""
    data: dict[str, Any] = {
        "apply": [
            {"identity": item.identity, "create": item.create, "owned": item.owned, "manifest": _plain(item.manifest)}
            for item in plan.apply
        ],
        "actions": [
            {"name": item.name, "key": item.key, "arguments": _plain(item.arguments)}
            | ({"first": True} if item.first else {})
            for item in plan.actions
        ],
        "conditions": [
            {"type": item.type, "status": item.status, "reason": item.reason, "message": item.message}
            for item in plan.conditions
        ],
        "status": _plain(plan.status),
        "hold": plan.hold,
    }
    if isinstance(plan.next_check, timedelta):
        data["nextCheckSeconds"] = plan.next_check.total_seconds()
    return {key: value for key, value in data.items() if value not in ([], {}, False)}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def as_text(plan: Plan) -> str:
    """A plan as YAML: the same plan gives the same bytes."""
    return yaml.safe_dump(as_data(plan), sort_keys=True, width=120, allow_unicode=True)


def run(capability: Capability, case: Path) -> Plan:
    """The plan of one case."""
    assert capability.plan is not None and capability.resource is not None
    plan = load(capability.plan)
    observed = yaml.safe_load((case / "observed.yaml").read_text()) or {}
    moment = observed.pop("now", None)
    now = datetime.fromisoformat(str(moment).replace("Z", "+00:00")) if moment else NOW
    observation = get_type_hints(plan)["observed"].model_validate(observed)
    resource = load(capability.resource).parse(yaml.safe_load((case / "input.yaml").read_text()))
    result: Plan = plan(resource, observation, now)
    return result


def check(capability: Capability, case: Path) -> None:
    """AssertionError where the case's plan is not what `expected.yaml` says, or differs when made twice."""
    text = as_text(run(capability, case))
    assert text == as_text(run(capability, case)), f"{case}: the same input gave two different plans."
    expected = yaml.safe_load((case / "expected.yaml").read_text())
    assert yaml.safe_load(text) == expected, f"{case}: the plan is not the expected one:\n{text}"


def _named(names: list[str]) -> Iterator[Capability]:
    for name in names:
        yield importlib.import_module(f"roost.capabilities.{name}").capability


def main() -> None:
    """Write `expected.yaml` of every case of the capabilities named on the command line."""
    for capability in _named(sys.argv[1:]):
        for case in cases(folder_of(capability)):
            (case / "expected.yaml").write_text(as_text(run(capability, case)))
            print(case)


if __name__ == "__main__":
    main()
