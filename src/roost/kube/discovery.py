"""Kind to path: asks kube-apiserver once per group and version for plurals and scopes. `client` calls it."""

from dataclasses import dataclass

import msgspec

from roost.kube.errors import BadRequest, NotFound, UnknownKind
from roost.kube.transport import Request, Transport


@dataclass(frozen=True)
class Served:
    """A kind that the cluster serves."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """The path of a collection, an object or a subresource, without a leading slash.

        Names may be a person's text: BadRequest where one is not exactly one segment of a path.
        """
        parts = ["api" if "/" not in self.api_version else "apis", self.api_version]
        if self.namespaced and namespace is not None:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        parts += [part for part in (name, subresource) if part is not None]
        return "/".join(parts[:2] + [_segment(part) for part in parts[2:]])


def _segment(text: str) -> str:
    if text in ("", ".", "..") or any(letter in "/?#%\\" or not letter.isprintable() for letter in text):
        raise BadRequest(f"{text!r} cannot be a name.", 400, "BadRequest")
    return text


class Discovery:
    """Knows the kinds of one cluster; shared by the clients of all identities."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._served: dict[tuple[str, str], Served] = {}

    async def find(self, api_version: str, kind: str) -> Served:
        """How a kind is reached. UnknownKind where the cluster does not serve it (asked anew each time)."""
        known = self._served.get((api_version, kind))
        if known is not None:
            return known
        prefix = "apis" if "/" in api_version else "api"
        try:
            content = await self._transport.send(Request("GET", f"{prefix}/{api_version}"))
        except NotFound as error:
            raise UnknownKind(f"The cluster does not serve {api_version}.") from error
        for item in msgspec.json.decode(content).get("resources") or []:
            if "/" not in item["name"]:
                served = Served(api_version, item["kind"], item["name"], bool(item["namespaced"]))
                self._served[api_version, served.kind] = served
        if (api_version, kind) not in self._served:
            raise UnknownKind(f"The cluster does not serve the kind {kind} of {api_version}.")
        return self._served[api_version, kind]
