"""Who makes a change that four eyes count says so: silence would leave the last one's name, or none. Pure."""

from typing import Any

from roost.capabilities.tenant.admission import words
from roost.capabilities.tenant.admission.words import check
from roost.model import names


def makers() -> list[dict[str, Any]]:
    """Promotions name who brings something in; changes of projects and runs name who makes them."""
    people = f"system:serviceaccount:{names.PEOPLE_NAMESPACE}:"
    spec = "has({0}.spec) ? dyn({0}.spec) : dyn({{}})"
    notes = "has(object.metadata.annotations) ? dyn(object.metadata.annotations) : dyn({})"
    say = f"set the annotation {names.AUTHOR} to your own id. `roost` and the API do so by themselves."
    named = "variables.person == '' || variables.said == variables.person"
    return words.policy(
        "roost-makers",
        [
            words.rule([names.GROUP], ["promotions"], ["CREATE"]),
            words.rule([names.GROUP], ["projects", "runs"], ["UPDATE"]),
        ],
        [
            check(
                f"request.resource.resource != 'promotions' || {named}",
                f"A promotion names who makes it: {say}",
            ),
            check(
                f"request.resource.resource == 'promotions' || variables.spec == variables.before || {named}",
                f"A change of a project or a run names who makes it: {say}",
            ),
        ],
        words.IN_TENANTS,
        {
            "person": f"request.userInfo.username.startsWith('{people}')"
            f" ? request.userInfo.username.substring({len(people)}) : ''",
            "notes": notes,
            "said": f"'{names.AUTHOR}' in variables.notes ? variables.notes['{names.AUTHOR}'] : ''",
            "spec": spec.format("object"),
            "before": f"oldObject == null ? dyn({{}}) : ({spec.format('oldObject')})",
        },
    )
