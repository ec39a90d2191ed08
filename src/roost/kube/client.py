"""Client: reads and writes of Kubernetes objects as one identity. Objects are plain dicts, as in JSON.

    client = Client.connect()                          in a pod, or by $KUBECONFIG
    tenant = client.act_as("deployer", "acme-dev")     the ServiceAccount roost-deployer of that namespace
    person = client.act_as("person:ada")               the ServiceAccount ada of roost-people

Clients of all identities share one connection pool and one discovery cache. A person's or a deployer's requests carry
`Impersonate-User` and nothing else: kube-apiserver adds the groups of a ServiceAccount itself.
Every method raises `roost.kube.errors`.
"""

import re
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import msgspec

from roost.kube.discovery import Discovery, Served
from roost.kube.errors import NotFound, from_status
from roost.kube.reader import Object
from roost.kube.transport import Request, Transport, read_config
from roost.model.names import DEPLOYER, PEOPLE_NAMESPACE, PERSON_PATTERN

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
PAGE = 500
SERVER_TIMEOUT_S = 60  # The server ends a stream after that long, with a bookmark just before (its first else: 120 s).
SILENCE_S = 75.0  # So a stream that says nothing for longer is dead.


@dataclass(frozen=True)
class Event:
    """One event of a watch: ADDED, MODIFIED, DELETED or BOOKMARK (then only metadata of the object counts)."""

    type: str
    object: Object


@dataclass(frozen=True)
class Page:
    """A part of a list. `version`: the resourceVersion of the whole list. `rest`: token of the next part, or ""."""

    items: list[Object]
    version: str
    rest: str


@dataclass(frozen=True)
class Selection:
    """Which objects of a kind: namespace (None: all), label selector, field selector."""

    namespace: str | None = None
    labels: str = ""
    fields: str = ""

    def params(self) -> dict[str, str]:
        """As query parameters."""
        chosen = {"labelSelector": self.labels, "fieldSelector": self.fields}
        return {key: value for key, value in chosen.items() if value}


class Client:
    """Calls as one identity; `identity` is `platform`, `deployer@<namespace>` or `person:<id>`."""

    def __init__(self, transport: Transport, discovery: Discovery | None = None, user: str = "") -> None:
        self._transport = transport
        self._discovery = discovery or Discovery(transport)
        self._headers = {"Impersonate-User": user} if user else {}
        self._others: dict[str, Client] = {}
        self.user = user

    @classmethod
    def connect(cls, kubeconfig: str | None = None, agent: str = "roost") -> Self:
        """A client of the platform's own identity. ConfigRefused where no cluster is named."""
        return cls(Transport(read_config(kubeconfig), agent))

    def act_as(self, identity: str, namespace: str | None = None) -> "Client":
        """The client of an identity: `platform` (this one), `deployer` (with its namespace) or `person:<id>`."""
        if identity == "platform":
            return self
        user = _service_account(identity, namespace)
        if user not in self._others:
            self._others[user] = Client(self._transport, self._discovery, user)
        return self._others[user]

    async def close(self) -> None:
        """Close the connection pool (of all identities)."""
        await self._transport.close()

    # Reads

    async def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Object | None:
        """The object, or None where there is none."""
        served = await self._discovery.find(api_version, kind)
        try:
            return await self._json(Request("GET", served.path(namespace, name), headers=self._headers))
        except NotFound:
            return None

    async def list(self, api_version: str, kind: str, namespace: str | None = None, labels: str = "") -> list[Object]:
        """All objects of a kind in a namespace (None: in all), read in pages."""
        found: list[Object] = []
        page = Page([], "", "")
        while True:
            page = await self.page(api_version, kind, Selection(namespace, labels), page.rest)
            found += page.items
            if not page.rest:
                return found

    async def page(self, api_version: str, kind: str, selection: Selection, rest: str = "", limit: int = PAGE) -> Page:
        """One part of a list of at most `limit` objects; `rest` of the last Page leads on. Gone when it is too old."""
        served = await self._discovery.find(api_version, kind)
        params = {**selection.params(), "limit": str(limit)}
        if rest:
            params["continue"] = rest
        answer = await self._json(Request("GET", served.path(selection.namespace), params, self._headers))
        items = answer.get("items") or []
        for item in items:
            item["apiVersion"], item["kind"] = api_version, kind
        meta = answer.get("metadata") or {}
        return Page(items, meta.get("resourceVersion", ""), meta.get("continue", ""))

    async def watch(
        self,
        api_version: str,
        kind: str,
        selection: Selection,
        version: str = "",
        silence_s: float = SILENCE_S,
    ) -> AsyncGenerator[Event]:
        """Events from `version` on, until the server ends the stream (it does, after a minute).

        Raises Gone when `version` is too old, be it as a status or inside the stream; Unreachable when nothing, not
        even a bookmark, came for `silence_s` seconds.
        """
        served = await self._discovery.find(api_version, kind)
        params = {**selection.params(), "watch": "true", "allowWatchBookmarks": "true"}
        params["timeoutSeconds"] = str(SERVER_TIMEOUT_S)
        if version:
            params["resourceVersion"] = version
        request = Request("GET", served.path(selection.namespace), params, self._headers)
        async with self._transport.lines(request, silence_s) as lines:
            async for line in lines:
                if line:
                    yield _event(line)

    # Writes

    async def create(self, manifest: Mapping[str, Any], manager: str = "roost", dry_run: bool = False) -> Object:
        """POST: the object as made. AlreadyExists where one of its name stands."""
        served, meta = await self._served(manifest)
        path = served.path(meta.get("namespace"))
        return await self._json(Request("POST", path, _write(manager, dry_run), self._headers, manifest))

    async def apply(
        self, manifest: Mapping[str, Any], manager: str, force: bool = True, dry_run: bool = False
    ) -> Object:
        """Server-side apply: the object as it stands now. Conflict when another manager holds a field (not `force`)."""
        served, meta = await self._served(manifest)
        params = {**_write(manager, dry_run), "force": "true" if force else "false"}
        path = served.path(meta.get("namespace"), meta["name"])
        return await self._json(Request("PATCH", path, params, self._typed(APPLY), manifest))

    async def replace(self, manifest: Mapping[str, Any], manager: str = "roost", dry_run: bool = False) -> Object:
        """PUT. Conflict when the manifest's resourceVersion is no longer the object's."""
        served, meta = await self._served(manifest)
        path = served.path(meta.get("namespace"), meta["name"])
        return await self._json(Request("PUT", path, _write(manager, dry_run), self._headers, manifest))

    async def patch(
        self,
        target: Mapping[str, Any],
        changes: Any,
        manager: str = "roost",
        subresource: str = "",
        dry_run: bool = False,
    ) -> Object:
        """Merge patch (a dict) or JSON patch (a list) of the object that `target` names.

        target: a dict with apiVersion, kind, metadata.name and metadata.namespace, e.g. the object itself. Put
        `metadata.resourceVersion` into a merge patch to get Conflict instead of a lost update.
        """
        served, meta = await self._served(target)
        path = served.path(meta.get("namespace"), meta["name"], subresource or None)
        kind = JSON_PATCH if isinstance(changes, list) else MERGE
        return await self._json(Request("PATCH", path, _write(manager, dry_run), self._typed(kind), changes))

    async def patch_status(self, target: Mapping[str, Any], status: Mapping[str, Any], manager: str) -> Object:
        """Merge `status` into `.status`; Conflict unless the object is still the one that `target` shows."""
        version = target["metadata"]["resourceVersion"]
        changes = {"metadata": {"resourceVersion": version}, "status": status}
        return await self.patch(target, changes, manager, "status")

    async def delete(
        self, target: Mapping[str, Any], uid: str = "", propagation: str = "Background", grace_s: int | None = None
    ) -> bool:
        """Delete the object that `target` names (see `patch`); whether it is gone already, or only going.

        NotFound; Conflict when its uid is another.
        """
        served, meta = await self._served(target)
        options: dict[str, Any] = {"propagationPolicy": propagation}
        if uid:
            options["preconditions"] = {"uid": uid}
        if grace_s is not None:
            options["gracePeriodSeconds"] = grace_s
        path = served.path(meta.get("namespace"), meta["name"])
        answer = await self._json(Request("DELETE", path, headers=self._headers, body=options))
        return answer.get("kind") == "Status"

    # The rest

    async def request(
        self, method: str, path: str, body: Any = None, params: Mapping[str, str] | None = None
    ) -> Object:
        """Any other call, e.g. POST `api/v1/namespaces/x/serviceaccounts/y/token`; the answer as a dict."""
        return await self._json(Request(method, path, params or {}, self._headers, body))

    async def lines(
        self, path: str, params: Mapping[str, str] | None = None, silence_s: float | None = None
    ) -> AsyncGenerator[str]:
        """The lines of a streamed answer, e.g. of `api/v1/namespaces/x/pods/y/log` with `follow=true`."""
        request = Request("GET", path, params or {}, {**self._headers, "Accept": "*/*"})
        async with self._transport.lines(request, silence_s) as lines:
            async for line in lines:
                yield line

    async def _served(self, manifest: Mapping[str, Any]) -> tuple[Served, Mapping[str, Any]]:
        served = await self._discovery.find(manifest["apiVersion"], manifest["kind"])
        return served, manifest["metadata"]

    async def _json(self, request: Request) -> Object:
        answer = msgspec.json.decode(await self._transport.send(request))
        return answer if isinstance(answer, dict) else {}

    def _typed(self, content_type: str) -> dict[str, str]:
        return {**self._headers, "Content-Type": content_type}


def _service_account(identity: str, namespace: str | None) -> str:
    if identity == "deployer" and namespace:
        return f"system:serviceaccount:{namespace}:{DEPLOYER}"
    person = identity.removeprefix("person:")
    if person == identity or not re.fullmatch(PERSON_PATTERN, person):
        raise ValueError(f"{identity!r} is no identity: platform, deployer (with a namespace) or person:<id>.")
    return f"system:serviceaccount:{PEOPLE_NAMESPACE}:{person}"


def _write(manager: str, dry_run: bool) -> dict[str, str]:
    return {"fieldManager": manager, **({"dryRun": "All"} if dry_run else {})}


def _event(line: str) -> Event:
    answer = msgspec.json.decode(line)
    if answer["type"] == "ERROR":
        status = answer.get("object") or {}
        raise from_status(int(status.get("code") or 500), status)
    return Event(answer["type"], answer["object"])
