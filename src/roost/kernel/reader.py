"""CachedReader: the Reader that observe functions get. Answers from informers where one surely holds all that is asked
for, else from the server.
"""

from collections.abc import Iterable

from roost.kernel.informer import Informer
from roost.kernel.selector import contains
from roost.kube.client import Client
from roost.kube.reader import Object


class CachedReader:
    """Reads for all capabilities; what it gives is shared and must not be changed in place."""

    def __init__(self, client: Client, informers: Iterable[Informer]) -> None:
        self._client = client
        self._informers: dict[tuple[str, str], list[Informer]] = {}
        for informer in informers:
            self._informers.setdefault((informer.scope.api_version, informer.scope.kind), []).append(informer)

    async def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Object | None:
        """The object, or None where there is none."""
        for informer in self._informers.get((api_version, kind), ()):
            found = informer.store.get((namespace or "", name)) if informer.synced.is_set() else None
            if found is not None or _holds(informer, namespace, ""):
                return found
        return await self._client.get(api_version, kind, name, namespace)

    def note(self, item: Object, origin: object = None) -> None:
        """Let the caches know what the server answered to a write of ours."""
        for informer in self._informers.get((item["apiVersion"], item["kind"]), ()):
            selection = informer.scope.selection
            meta = item["metadata"]
            if selection.namespace in (None, meta.get("namespace")) and informer.selects(meta.get("labels") or {}):
                informer.note(item, origin)

    def owned_by(self, uid: str) -> list[Object]:
        """The cached objects of all kinds that have that owner."""
        return [
            item
            for informers in self._informers.values()
            for informer in informers
            for item in informer.store.owned_by(uid)
        ]

    async def list(self, api_version: str, kind: str, namespace: str | None = None, labels: str = "") -> list[Object]:
        """The objects of a namespace (None: of all) that match a selector, sorted by namespace and name."""
        for informer in self._informers.get((api_version, kind), ()):
            if _holds(informer, namespace, labels):
                return informer.store.list(namespace, labels)
        return await self._client.list(api_version, kind, namespace, labels)


def _holds(informer: Informer, namespace: str | None, labels: str) -> bool:
    """Whether an informer has everything that is asked for."""
    selection = informer.scope.selection
    return (
        informer.synced.is_set()
        and selection.namespace in (None, namespace)
        and contains(selection.labels, labels)
        and not selection.fields
    )
