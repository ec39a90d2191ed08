"""Collections: a kind in a place as one caller, and its objects made, changed and deleted. Called by all routes.

Everything is done with the caller's own rights; kube-apiserver decides. Each write is signed and recorded.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Header, Query
from fastapi.responses import Response

from roost.api import kinds as shapes
from roost.api import operations
from roost.api.bodies import json_response
from roost.api.context import Caller
from roost.api.errors import from_kube
from roost.api.seen import NOT_CACHED
from roost.kube.client import Client
from roost.kube.errors import Conflict, KubeError
from roost.model.names import API_VERSION, GROUP, VERSION
from roost.model.resource import Resource
from roost.surface.problems import Problem, conflict, invalid, malformed, not_found

MANAGER: Final = "roost-api"
ATTEMPTS: Final = 6
POSITION: Final = re.compile(r"^[1-9][0-9]{0,19}\Z")


@dataclass(frozen=True)
class Collection:
    """A kind in a place, as one caller."""

    kind: type[Resource]
    namespace: str | None
    client: Client
    caller: Caller

    def what(self, name: str = "") -> str:
        """For messages: `app 'shop' in acme-dev`."""
        text = self.kind.KIND.lower() + (f" {name[:80]!r}" if name else "s")
        return f"{text} in {self.namespace}" if self.namespace else text

    async def get(self, name: str) -> dict[str, Any]:
        """The object; Problem not-found, forbidden."""
        checked = shapes.checked_name(self.kind, name)
        try:
            raw = await self.client.get(API_VERSION, self.kind.KIND, checked, self.namespace)
        except KubeError as error:
            raise from_kube(error, self.what(name)) from error
        if raw is None:
            raise not_found(self.what(name))
        return raw

    async def create(self, body: Mapping[str, Any], dry_run: bool) -> dict[str, Any]:
        """The object as made."""
        manifest = shapes.new_manifest(self.kind, body, self.namespace)
        shapes.sign(manifest, self.caller.person, self.caller.request_id)
        manifest = operations.record(self.kind, manifest, None, self.caller.clock())
        try:
            made = await self.client.create(manifest, MANAGER, dry_run)
        except KubeError as error:
            raise from_kube(error, self.what(manifest["metadata"]["name"])) from error
        return self._wrote(made, dry_run)

    async def change(
        self,
        name: str,
        how: Callable[[dict[str, Any]], dict[str, Any]],
        seen: str = "",
        dry_run: bool = False,
        cause: str = "",
    ) -> dict[str, Any]:
        """Replace the object by `how(object)`, signed. `seen`: the version that the caller saw; another is a conflict.

        Without `seen` a change of somebody else in between makes it begin again, so nothing is lost.
        """
        for _ in range(ATTEMPTS):
            current = await self.get(name)
            if seen and current["metadata"]["resourceVersion"] != seen:
                break
            manifest = shapes.sign(how(current), self.caller.person, self.caller.request_id, cause)
            manifest = operations.record(self.kind, manifest, current, self.caller.clock())
            try:
                return self._wrote(await self.client.replace(manifest, MANAGER, dry_run), dry_run)
            except Conflict:
                continue
            except KubeError as error:
                raise from_kube(error, self.what(name)) from error
        raise conflict(f"The {self.what(name)} was changed meanwhile. Read it again and repeat your change.")

    async def replace(self, name: str, body: Mapping[str, Any], seen: str, dry_run: bool) -> dict[str, Any]:
        """The object with spec, labels and annotations of the body; Problem where nobody said what was seen."""
        seen = seen or _body_version(shapes.read_body(self.kind, body))
        if not seen:
            raise Problem(
                "precondition-required", "Send the ETag that you saw as If-Match, or metadata.resourceVersion."
            )
        return await self.change(name, lambda raw: shapes.replaced(self.kind, raw, body), seen, dry_run)

    async def patch(self, name: str, body: Mapping[str, Any], seen: str, dry_run: bool) -> dict[str, Any]:
        """The object after a merge patch."""
        seen = seen or _body_version(shapes.read_body(self.kind, body))
        return await self.change(name, lambda raw: shapes.patched(self.kind, raw, body), seen, dry_run)

    async def delete(self, name: str, seen: str, dry_run: bool) -> None:
        """Delete the object and what belongs to it."""
        checked = shapes.checked_name(self.kind, name)
        options: dict[str, Any] = {"propagationPolicy": "Background"}
        if seen:
            options["preconditions"] = {"resourceVersion": seen}
        if dry_run:
            # In the body: kube-apiserver reads no query parameters of a delete that has one.
            options["dryRun"] = ["All"]
        scope = f"namespaces/{self.namespace}/" if self.namespace else ""
        path = f"apis/{GROUP}/{VERSION}/{scope}{self.kind.PLURAL}/{checked}"
        try:
            answer = await self.client.request("DELETE", path, options)
        except KubeError as error:
            raise from_kube(error, self.what(name)) from error
        if answer.get("kind") == self.kind.KIND:
            self._wrote(answer, dry_run)
        elif not dry_run:
            uid = str((answer.get("details") or {}).get("uid", ""))
            self.caller.cache.any(self.kind.KIND).deleted(self.namespace, checked, uid)
            self.caller.wrote[self.kind.PLURAL] = NOT_CACHED

    def _wrote(self, raw: dict[str, Any], dry_run: bool) -> dict[str, Any]:
        """Let reads that follow show this write."""
        if not dry_run:
            self.caller.cache.any(self.kind.KIND).wrote(raw)
            self.caller.wrote[self.kind.PLURAL] = str(raw["metadata"].get("resourceVersion", ""))
        return raw


def version_of(if_match: str | None) -> str:
    """The version in an `If-Match` header, or empty. Problem malformed."""
    text = (if_match or "").strip().removeprefix("W/").strip('"')
    if text in ("", "*"):
        return ""
    if not POSITION.match(text):
        raise malformed('If-Match carries the ETag as it was given, e.g. "12345".')
    return text


def tagged(raw: Mapping[str, Any], status: int = 200) -> Response:
    """An object as an answer, with its version as ETag (a creation that was only tried has none)."""
    version = raw["metadata"].get("resourceVersion")
    return json_response(shapes.shown(raw), status, {"ETag": f'"{version}"'} if version else None)


DryRun = Annotated[bool, Query(alias="dryRun", description="Check everything, keep nothing.")]
IfMatch = Annotated[str | None, Header(alias="If-Match", max_length=60, description="The ETag that you saw.")]


def _body_version(metadata: Mapping[str, Any]) -> str:
    version = metadata.get("resourceVersion", "")
    if version and (not isinstance(version, str) or not POSITION.match(version)):
        raise invalid("metadata.resourceVersion", "It must be the version that you were given, as text.")
    return str(version)
