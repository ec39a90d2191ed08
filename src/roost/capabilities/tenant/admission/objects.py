"""Admission of everything but pods in tenants' namespaces: services, routes, secrets, volumes, the walls. Pure."""

from typing import Any, Final

from roost.capabilities.tenant.admission import words
from roost.capabilities.tenant.admission.words import check, literal
from roost.model import names
from roost.model.kinds.tenant import TenantSpec

KUBERNETES_OWN: Final = "['kubernetes.io/pvc-protection']"  # Admission itself puts it on every claim.
OWNERS: Final = ("title", "members", "groups")  # Of a tenant: what an owner changes.
CONTROLLERS_ROLES: Final = ("roost-tenant-", "roost-person-")
ALL: Final = ("CREATE", "UPDATE", "DELETE")
_LABELS: Final = "(has({0}.metadata) && has({0}.metadata.labels) ? dyn({0}.metadata.labels) : dyn({{}}))"
_FINALIZERS: Final = "(has({0}.metadata) && has({0}.metadata.finalizers) ? dyn({0}.metadata.finalizers) : dyn([]))"


def services() -> list[dict[str, Any]]:
    """Only ways inside the cluster."""
    return words.policy(
        "roost-services",
        [words.rule([""], ["services"])],
        [
            check(
                "!has(object.spec.type) || object.spec.type == 'ClusterIP'",
                "Services are of type ClusterIP: a route leads to your application from outside.",
            ),
            check(
                "!has(object.spec.externalIPs) || object.spec.externalIPs.size() == 0",
                "Services have no externalIPs.",
            ),
            check(
                "!has(object.spec.externalName) || object.spec.externalName == ''",
                "Services name no host outside (externalName).",
            ),
        ],
        words.IN_TENANTS,
    )


def routes(domain: str) -> list[dict[str, Any]]:
    """Host names of the own tenant and environment or granted to it, the platform's gateway, services of the same
    namespace.
    """
    host = (
        f"h.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?-' + variables.environment + '[.]' + variables.tenant"
        f" + '[.]{literal(domain)}$')"
    )
    parent = (
        f"p.name == 'roost' && has(p.namespace) && p.namespace == '{names.SYSTEM_NAMESPACE}'"
        " && (!has(p.kind) || p.kind == 'Gateway')"
        " && (!has(p.group) || p.group == 'gateway.networking.k8s.io')"
        " && (!has(p.sectionName) || p.sectionName in ['http', 'https'])"
    )
    backend = (
        "(!has(b.namespace) || b.namespace == object.metadata.namespace)"
        " && (!has(b.kind) || b.kind == 'Service') && (!has(b.group) || b.group == '')"
    )
    plain = "f.type in ['RequestHeaderModifier', 'ResponseHeaderModifier', 'RequestRedirect', 'URLRewrite']"
    return words.policy(
        "roost-routes",
        [words.rule(["gateway.networking.k8s.io"], ["httproutes"])],
        [
            check(
                "has(object.spec.hostnames) && object.spec.hostnames.size() > 0"
                f" && object.spec.hostnames.all(h, {host} || h in variables.granted)",
                f"Host names are <name>-<environment>.<tenant>.{domain}, with your own environment and tenant, or such"
                " as an administrator granted to the environment.",
            ),
            check(
                f"has(object.spec.parentRefs) && object.spec.parentRefs.all(p, {parent})",
                f"Routes lead from the gateway {names.SYSTEM_NAMESPACE}/roost.",
            ),
            check(
                "!has(object.spec.rules) || object.spec.rules.all(r, !has(r.backendRefs) || r.backendRefs.all(b,"
                f" {backend} && (!has(b.filters) || b.filters.all(f, {plain}))))",
                "Routes lead to services of the same namespace.",
            ),
            check(
                f"!has(object.spec.rules) || object.spec.rules.all(r, !has(r.filters) || r.filters.all(f, {plain}))",
                "Routes may change headers, paths and redirect; nothing else.",
            ),
        ],
        words.IN_TENANTS,
        {
            "tenant": words.TENANT_OF,
            "environment": words.ENVIRONMENT_OF,
            # Written by the platform alone, as all of a tenant's namespace.
            "granted": "has(namespaceObject.metadata.annotations)"
            f" && '{names.DOMAINS}' in namespaceObject.metadata.annotations"
            f" ? namespaceObject.metadata.annotations['{names.DOMAINS}'].split(' ') : []",
        },
    )


def domains(domain: str) -> list[dict[str, Any]]:
    """What can be granted is outside the platform's own domain and the cluster's: those have their owners."""
    own = [f"object.metadata.name != '{domain}'"]
    own += [f"!object.metadata.name.endsWith('.{item}')" for item in (domain, "svc", "cluster.local")]
    return words.policy(
        "roost-domains",
        [words.rule([names.GROUP], ["domains"])],
        [
            check(
                " && ".join(own),
                f"Names beneath {domain} belong to the platform and its tenants already, those beneath svc and"
                " cluster.local to the cluster.",
            )
        ],
    )


def secrets() -> list[dict[str, Any]]:
    """No Secret that Kubernetes fills with a token."""
    return words.policy(
        "roost-secrets",
        [words.rule([""], ["secrets"])],
        [
            check(
                "!has(object.type) || !(object.type in"
                " ['kubernetes.io/service-account-token', 'bootstrap.kubernetes.io/token'])",
                "Secrets of this type hold tokens for Kubernetes, which tenants do not have.",
            )
        ],
        words.IN_TENANTS,
    )


def volumes() -> list[dict[str, Any]]:
    """Claims get a volume of their own. (Kubernetes itself lets them copy only what is in the same namespace.)"""
    return words.policy(
        "roost-volumes",
        [words.rule([""], ["persistentvolumeclaims"], ["CREATE"])],
        [
            check(
                "!has(object.spec.volumeName) || object.spec.volumeName == ''",
                "A claim names no volume: it might be somebody else's.",
            ),
            check("!has(object.spec.selector)", "A claim selects no volume: it might be somebody else's."),
        ],
        words.IN_TENANTS,
    )


def platform_kinds() -> list[dict[str, Any]]:
    """Kinds that only the platform writes in tenants' namespaces: the walls, identities, and what could lead around."""
    message = "Objects of this kind are the platform's in a tenant's namespace."
    return words.policy(
        "roost-platform-kinds",
        [
            words.rule(
                [""],
                [
                    "resourcequotas",
                    "limitranges",
                    "serviceaccounts",
                    "serviceaccounts/token",
                    "endpoints",
                    "podtemplates",
                    "replicationcontrollers",
                ],
                ALL,
            ),
            words.rule(["rbac.authorization.k8s.io"], ["roles", "rolebindings"], ALL),
            words.rule(["networking.k8s.io"], ["networkpolicies", "ingresses"], ALL),
            words.rule(["cilium.io"], ["*"], ALL),
            words.rule(["discovery.k8s.io"], ["endpointslices"], ALL),
            words.rule(["apps"], ["daemonsets"], ALL),
            words.rule(
                ["gateway.networking.k8s.io", "gateway.networking.x-k8s.io"],
                [
                    "gateways",
                    "referencegrants",
                    "listenersets",
                    "xlistenersets",
                    "grpcroutes",
                    "tcproutes",
                    "tlsroutes",
                    "udproutes",
                    "backendtlspolicies",
                ],
                ALL,
            ),
            words.rule(["traefik.io", "traefik.containo.us"], ["*"], ALL),
        ],
        [check(words.TRUSTED, message)],
        words.IN_TENANTS,
    )


def labelled() -> list[dict[str, Any]]:
    """Whatever bears the platform's label is the platform's; and nobody jams a deletion with a finalizer."""
    old, new = _LABELS.format("oldObject"), _LABELS.format("object")
    return words.policy(
        "roost-platform-objects",
        [words.rule(["*"], ["*/*"], ALL)],
        [
            check(
                f"(!('{names.PLATFORM}' in variables.old) && !('{names.PLATFORM}' in variables.new))"
                " || variables.trusted",
                f"Objects with the label {names.PLATFORM} are the platform's.",
            ),
            check(
                "object == null || variables.trusted"
                f" || variables.finalizers.all(f, f in variables.before || f in {KUBERNETES_OWN})",
                "Finalizers are set by controllers only: they could keep a namespace from ever going.",
            ),
        ],
        words.IN_TENANTS,
        {
            "old": f"oldObject == null ? dyn({{}}) : {old}",
            "new": f"object == null ? dyn({{}}) : {new}",
            "finalizers": f"object == null ? dyn([]) : {_FINALIZERS.format('object')}",
            "before": f"oldObject == null ? dyn([]) : {_FINALIZERS.format('oldObject')}",
            "trusted": words.TRUSTED,
        },
    )


def statuses() -> list[dict[str, Any]]:
    """What came of an intent is said by whoever sees to it: a status that a person wrote would be believed."""
    deployer = f"'system:serviceaccount:' + request.namespace + ':{names.DEPLOYER}'"
    return words.policy(
        "roost-statuses",
        [words.rule([names.GROUP], ["*/status"], ["UPDATE"])],
        [
            check(
                f"(request.namespace != '' && request.userInfo.username == {deployer}) || variables.trusted",
                "The status of an object is written by Roost's controllers only. Change its spec.",
            )
        ],
        variables={"trusted": words.TRUSTED},
    )


def authors() -> list[dict[str, Any]]:
    """Nobody speaks in somebody else's name: who is said to have made a change is who made it.

    What a write does not touch stays. The platform says for whom it acts; people are ServiceAccounts of one namespace.
    """
    people = f"system:serviceaccount:{names.PEOPLE_NAMESPACE}:"
    noted = "(has({0}.metadata.annotations) ? dyn({0}.metadata.annotations) : dyn({{}}))"
    read = "'{key}' in {notes} ? {notes}['{key}'] : ''"
    return words.policy(
        "roost-authors",
        [words.rule([names.GROUP], ["apps", "approvals", "projects", "promotions", "runs", "waivers"])],
        [
            check(
                "variables.person == '' || variables.said == '' || variables.said == variables.before"
                " || variables.said == variables.person",
                f"The annotation {names.AUTHOR} names whoever makes the change: you.",
            ),
            check(
                "variables.person == '' || request.resource.resource != 'promotions' || request.operation != 'CREATE'"
                " || !has(object.spec.author) || object.spec.author == '' || object.spec.author == variables.person",
                "spec.author names whoever makes the promotion: you.",
            ),
            check(
                "variables.person == '' || request.resource.resource != 'promotions' || request.operation != 'CREATE'"
                " || !has(object.spec.sequence) || object.spec.sequence == 0",
                "spec.sequence counts the moves of a branch, which only its runs do: a high one would pass over them.",
            ),
            check(
                "variables.person == '' || request.resource.resource != 'approvals' || request.operation != 'CREATE'"
                " || variables.said == variables.person",
                f"An approval names who gives it in the annotation {names.AUTHOR}: you.",
            ),
        ],
        words.IN_TENANTS,
        {
            "person": f"request.userInfo.username.startsWith('{people}')"
            f" ? request.userInfo.username.substring({len(people)}) : ''",
            "said": read.format(key=names.AUTHOR, notes=noted.format("object")),
            "before": f"oldObject == null ? '' : ({read.format(key=names.AUTHOR, notes=noted.format('oldObject'))})",
        },
    )


def namespaces() -> list[dict[str, Any]]:
    """Tenants' namespaces, the platform's and all their labels are written by the platform alone."""
    labels = "(has({0}.metadata.labels) ? dyn({0}.metadata.labels) : dyn({{}}))"
    ours = f"['{names.SYSTEM_NAMESPACE}', '{names.PEOPLE_NAMESPACE}']"
    tenants = " || ".join(
        f"({item} != null && '{names.TENANT}' in {labels.format(item)})" for item in ("object", "oldObject")
    )
    return words.policy(
        "roost-namespaces",
        [words.rule([""], ["namespaces", "namespaces/finalize", "namespaces/status"], ALL)],
        [
            check(
                f"!variables.ours || ({words.TRUSTED})",
                "Namespaces of tenants and of the platform are made, labelled and removed by the platform.",
            )
        ],
        variables={"ours": f"request.name in {ours} || {tenants}"},
    )


def tenants() -> list[dict[str, Any]]:
    """An owner of a tenant changes its title and members; what a tenant is given is an administrator's to say."""
    administrator = f"authorizer.group('{names.GROUP}').resource('tenants').check('create').allowed()"
    given = sorted(str(field.alias) for name, field in TenantSpec.model_fields.items() if name not in OWNERS)
    same = " && ".join(
        f"has(object.spec.{field}) == has(oldObject.spec.{field})"
        f" && (!has(object.spec.{field}) || object.spec.{field} == oldObject.spec.{field})"
        for field in given
    )
    labels = "(has({0}.metadata.labels) ? dyn({0}.metadata.labels) : dyn({{}}))"
    finalizers = "(has({0}.metadata.finalizers) ? dyn({0}.metadata.finalizers) : dyn([]))"
    return words.policy(
        "roost-tenants",
        [words.rule([names.GROUP], ["tenants", "tenants/status"], ["UPDATE"])],
        [
            check(
                f"({same}) || variables.trusted",
                "An owner changes the title, the members and what groups may do; environments, quota and registries are"
                " an administrator's to change.",
            ),
            check(
                f"({labels.format('object')} == {labels.format('oldObject')}"
                f" && {finalizers.format('object')} == {finalizers.format('oldObject')}) || variables.trusted",
                "Labels and finalizers of a tenant are the platform's.",
            ),
        ],
        variables={"trusted": f"{words.TRUSTED} || {administrator}"},
    )


def registrar() -> list[dict[str, Any]]:
    """Whom the API may make and remove by itself: it does so for people who are nobody yet."""
    other = f"request.userInfo.username != '{words.REGISTRAR}'"
    read = "(has({0}.spec) && has({0}.spec.{1}) ? dyn({0}.spec.{1}) : dyn({2}))"
    role, machine = (read.format("{0}", field, "''") for field in ("platformRole", "machineOf"))
    data = {"title": "''", "mail": "''", "platformRole": "''", "disabled": "false", "machineOf": "''"}
    same = " && ".join(
        f"{read.format('object', field, value)} == {read.format('oldObject', field, value)}"
        for field, value in data.items()
    )
    owners = "(has({0}.metadata.{1}) ? dyn({0}.metadata.{1}) : dyn([]))"
    kept = " && ".join(
        f"{owners.format('object', field)} == {owners.format('oldObject', field)}"
        for field in ("ownerReferences", "finalizers")
    )
    groups, noted = read.format("{0}", "groups", "[]"), read.format("{0}", "groupsAt", "''")
    return words.policy(
        "roost-registrar",
        [words.rule([names.GROUP], ["users"], ALL)],
        [
            check(
                f"{other} || object == null || oldObject != null || {role.format('object')} == ''",
                "The registrar makes people without a role over the platform.",
            ),
            check(
                f"{other} || oldObject == null || {machine.format('oldObject')} != ''"
                f" || (object != null && {same} && {kept})",
                "The registrar changes nobody but for their groups, and removes machines only.",
            ),
            check(
                f"!({other}) || variables.trusted || object == null || {groups.format('object')} == dyn([])"
                f" || (oldObject != null && {groups.format('object')} == {groups.format('oldObject')}"
                f" && {noted.format('object')} == {noted.format('oldObject')})",
                "Groups (spec.groups) are what the site's provider says at a sign-in. They are never written by hand, "
                "but may be taken away; a tenant says what a group may do.",
            ),
        ],
        variables={"trusted": words.TRUSTED},
    )


def controller() -> list[dict[str, Any]]:
    """What Roost's own controller may write by RBAC, held to what it is for: a bug there must not reach further.

    RBAC can bound neither namespaces nor cluster roles by label or prefix.
    """
    labels = "('{tenant}' in (has({item}.metadata.labels) ? dyn({item}.metadata.labels) : dyn({{}})))"
    tenants = " && ".join(
        f"({item} == null || {labels.format(item=item, tenant=names.TENANT)})" for item in ("object", "oldObject")
    )
    ours = " || ".join(f"request.name.startsWith('{prefix}')" for prefix in CONTROLLERS_ROLES)
    walls = [
        words.rule([""], ["resourcequotas", "limitranges", "serviceaccounts"], ALL),
        words.rule(["networking.k8s.io"], ["networkpolicies"], ALL),
        words.rule(["rbac.authorization.k8s.io"], ["rolebindings"], ALL),
    ]
    other = f"request.userInfo.username != '{words.CONTROLLER}'"
    elsewhere = [{"key": names.TENANT, "operator": "DoesNotExist"}]
    people = f"(request.resource.resource == 'serviceaccounts' && request.namespace == '{names.PEOPLE_NAMESPACE}')"
    return [
        *words.policy(
            "roost-controller-namespaces",
            [words.rule([""], ["namespaces", "namespaces/status", "namespaces/finalize"], ALL)],
            [check(f"{other} || ({tenants})", "The controller writes namespaces of tenants only, and adopts none.")],
        ),
        *words.policy(
            "roost-controller-roles",
            [words.rule(["rbac.authorization.k8s.io"], ["clusterroles", "clusterrolebindings"], ALL)],
            [check(f"{other} || {ours}", "The controller writes the cluster roles of tenants and people only.")],
        ),
        *words.policy(
            "roost-controller-walls",
            walls,
            [check(f"{other} || {people}", "The controller writes walls in tenants' namespaces only.")],
            elsewhere,
        ),
    ]
