"""Admission of what brings code into an environment: its gates, the scan before it, where a project goes. Pure."""

import json
from collections.abc import Sequence
from typing import Any, Final

from roost.capabilities.tenant.admission import words
from roost.capabilities.tenant.admission.words import check
from roost.model import names
from roost.model.kinds.scan import Scan

LONGEST_WAIVER_H: Final = 367 * 24
MOST_DESTINATIONS: Final = 10  # A tenant has no more environments.
# What of a Project decides which code comes where, by its path beneath `spec`, and what stands for nothing there.
_DECIDES: Final = {
    "environment": "''",
    "app": "''",
    "branch": "'main'",
    "source.type": "'hosted'",
    "source.url": "''",
    "source.image": "''",
    "source.path": "''",
    "source.tags": "''",
    "source.only": "dyn([])",
    "triggers.push": "true",
    "triggers.branches": "dyn([])",
    "triggers.tags": "dyn([])",
    "triggers.schedules": "dyn([])",
    "triggers.images": "dyn([])",
    "previews.environment": "''",
    "previews.copies": "false",
    "previews.config": "dyn([])",
    "previews.branches": "dyn([])",
    "previews.forks": "false",
}


def gates() -> list[dict[str, Any]]:
    """Where versions must pass a gate, an App's artefact is written by a Promotion, or goes back to what served there.

    Only the deployer writes what a Promotion brings, and no tenant's identity can become the deployer.
    """
    deployer = f"'system:serviceaccount:' + object.metadata.namespace + ':{names.DEPLOYER}'"
    image = "(has({0}.spec.artefact) ? {0}.spec.artefact.image : '')"
    return [
        *words.policy(
            "roost-gates",
            [words.rule([names.GROUP], ["apps"])],
            [
                check(
                    "variables.image == '' || variables.image == variables.before"
                    " || variables.image in variables.served"
                    f" || request.userInfo.username == {deployer} || variables.trusted",
                    "This environment takes new versions by a promotion only (`roost promote`), after approvals and "
                    "outside its freeze windows. Going back to a version that served here is free (`roost rollback`).",
                )
            ],
            [*words.IN_ENVIRONMENTS, {"key": names.GATED, "operator": "Exists"}],
            {
                "image": image.format("object"),
                "before": f"oldObject == null ? '' : {image.format('oldObject')}",
                "served": "oldObject != null && has(oldObject.status) && has(oldObject.status.served)"
                " ? oldObject.status.served : []",
                "trusted": words.TRUSTED,
            },
        ),
        *words.policy(
            "roost-freezes",
            [words.rule([names.GROUP], ["approvals"])],
            [
                check(
                    "!has(object.spec.inFreeze) || !object.spec.inFreeze"
                    f" || authorizer.group('{names.GROUP}').resource('approvals').namespace(object.metadata.namespace)"
                    ".check('override').allowed()",
                    "Only an owner lets something in while the environment is frozen (inFreeze).",
                )
            ],
            words.IN_TENANTS,
        ),
    ]


def waivers() -> list[dict[str, Any]]:
    """A waiver ends: what is let stay for good is what nobody looks at again."""
    return words.policy(
        "roost-waivers",
        [words.rule([names.GROUP], ["waivers"], ("CREATE",))],
        [
            check(
                "timestamp(object.spec.until)"
                f" <= timestamp(object.metadata.creationTimestamp) + duration('{LONGEST_WAIVER_H}h')",
                "A waiver ends within a year (spec.until); before it does, its owner is told and can make another one.",
            )
        ],
        words.IN_TENANTS,
    )


def scans() -> list[dict[str, Any]]:
    """What a scan looks for and what stops a run is an owner's to change: whoever pushes could open the gate else."""
    owner = f"authorizer.group('{names.GROUP}').resource('waivers').namespace(object.metadata.namespace)"
    read = "(has({0}.spec.scan) && has({0}.spec.scan.{1}) ? {0}.spec.scan.{1} : {2})"
    usual = {field: json.dumps(value) for field, value in Scan().wire().items()}
    same = " && ".join(
        f"{read.format('object', field, value)}"
        f" == (oldObject == null ? {value} : {read.format('oldObject', field, value)})"
        for field, value in usual.items()
    )
    return words.policy(
        "roost-scans",
        [words.rule([names.GROUP], ["projects"])],
        [
            check(
                f"({same}) || {owner}.check('create').allowed() || variables.trusted",
                "What a project's scan looks for and what stops its runs (spec.scan) is an owner's to change.",
            )
        ],
        words.IN_TENANTS,
        {"trusted": words.TRUSTED},
    )


def _read(item: str, path: str, otherwise: str) -> str:
    """CEL for a field beneath `spec`, whatever of its parents is missing."""
    parts = path.split(".")
    there = [f"has({item}.spec.{'.'.join(parts[: at + 1])})" for at in range(len(parts))]
    return f"({' && '.join(there)} ? dyn({item}.spec.{path}) : {otherwise})"


def _named(paths: Sequence[str]) -> str:
    """CEL for the environments that entries of these lists name."""
    lists = (f"{_read('object', path, 'dyn([])')}.map(t, has(t.environment) ? t.environment : '')" for path in paths)
    return " + ".join(f"dyn({item})" for item in lists)


def destinations() -> list[dict[str, Any]]:
    """Who decides which code a project brings where may bring something there himself.

    A run promotes with rights that its project's author need not have. Without this, whoever may write projects would
    reach every environment of the tenant. Each check of a right is a variable of its own, since Kubernetes bounds what
    one expression costs.
    """
    may = f"authorizer.group('{names.GROUP}').resource('promotions')"
    allowed = {
        f"may{at}": f"variables.goes.size() <= {at} || {may}.namespace(variables.tenant + '-' + variables.goes[{at}])"
        ".check('create').allowed()"
        for at in range(MOST_DESTINATIONS)
    }
    same = " && ".join(
        f"{_read('object', path, otherwise)} == {_read('oldObject', path, otherwise)}"
        for path, otherwise in _DECIDES.items()
    )
    goes = (
        f"dyn([{_read('object', 'environment', chr(39) * 2)}, {_read('object', 'previews.environment', chr(39) * 2)}])"
    )
    return words.policy(
        "roost-destinations",
        [words.rule([names.GROUP], ["projects"])],
        [
            check(
                f"variables.same || (variables.goes.size() <= {MOST_DESTINATIONS}"
                f" && {' && '.join(f'variables.{name}' for name in allowed)}) || variables.trusted",
                "Where a project's versions come from and go is changed by those who may bring something into every"
                " environment that it names. Ask an owner of the tenant.",
            )
        ],
        words.IN_TENANTS,
        {
            "tenant": words.TENANT_OF,
            "named": f"{goes} + {_named(('triggers.branches', 'triggers.tags', 'triggers.schedules'))}",
            "goes": "variables.named.transformList(at, name, name != '' && variables.named.indexOf(name) == at, name)",
            "same": f"oldObject != null && {same}",
            **allowed,
            "trusted": words.TRUSTED,
        },
    )
