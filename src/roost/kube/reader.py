"""Reader: the reads that an observe function may do. Answered from the kernel's caches where it keeps one, else by the
server; `client.Client` is a Reader too. What it gives is shared with others: never change it in place.
"""

from typing import Any, Protocol

Object = dict[str, Any]


class Reader(Protocol):
    """Reads of Kubernetes objects, as plain dicts (JSON as kube-apiserver gives it)."""

    async def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Object | None:
        """The object, or None where there is none. KubeError for everything but 404."""
        ...

    async def list(self, api_version: str, kind: str, namespace: str | None = None, labels: str = "") -> list[Object]:
        """The objects of a namespace (None: of all), sorted by namespace and name. `labels`: selector text."""
        ...
