"""The Secret that holds an App's secret variables, read and written with the caller's own rights. For `apps`."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from secrets import token_hex
from typing import Any, Final

from roost.api.errors import from_kube
from roost.api.objects import MANAGER, Collection
from roost.kube.errors import Conflict, KubeError
from roost.model import names
from roost.model.configuration import SALT, secret_copy_name, secret_name, secret_version
from roost.surface.problems import Problem, conflict

MAX_BYTES: Final = 512 * 1024
ATTEMPTS: Final = 5


@dataclass(frozen=True)
class Held:
    """What the Secret holds. `data` is base64, as in Secret.data; `raw` None: there is no Secret."""

    data: dict[str, str]
    raw: dict[str, Any] | None

    @property
    def version(self) -> str:
        """As `spec.secretVersion` names it."""
        return secret_version(self.data, self.salt)

    @property
    def salt(self) -> str:
        """What its version is made with; empty where there is no Secret, or one from before there were salts."""
        found = ((self.raw or {}).get("metadata") or {}).get("annotations") or {}
        return str(found.get(SALT, ""))


def encode(value: str) -> str:
    """As Secret.data has it."""
    return base64.b64encode(value.encode()).decode()


async def read(there: Collection, app: str) -> Held:
    """The current secret variables of an app."""
    return await _read(there, secret_name(app))


async def _read(there: Collection, name: str) -> Held:
    try:
        raw = await there.client.get("v1", "Secret", name, there.namespace)
    except KubeError as error:
        raise from_kube(error, "secret variable of this app") from error
    return Held(dict((raw or {}).get("data") or {}), raw)


async def copy_of(there: Collection, app: str, version: str) -> dict[str, str] | None:
    """What the copy that a version kept holds, base64; None where it is gone."""
    held = await _read(there, secret_copy_name(app, version))
    return held.data if held.raw is not None else None


async def write(
    there: Collection, app: str, held: Held, data: Mapping[str, str], dry_run: bool, salt: str | None = None
) -> str | None:
    """Replace what is held; the new version, or None where somebody else was faster. `salt`: that of a version that
    comes back.
    """
    salt = salt if salt is not None else held.salt or token_hex(16)
    if sum(len(key) + len(value) for key, value in data.items()) > MAX_BYTES:
        raise Problem("too-large", "The secret variables of one app may take 512 KiB together.")
    manifest: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {
            "name": secret_name(app),
            "namespace": there.namespace,
            "labels": {names.APP: app},
            "annotations": {
                names.AUTHOR: there.caller.person,
                names.REQUEST_ID: there.caller.request_id,
                "roost.dev/secret-version": secret_version(data, salt),
                **({SALT: salt} if salt else {}),
            },
        },
        "data": dict(data),
    }
    try:
        if held.raw is None:
            await there.client.create(manifest, MANAGER, dry_run)
        else:
            manifest["metadata"]["resourceVersion"] = held.raw["metadata"]["resourceVersion"]
            await there.client.replace(manifest, MANAGER, dry_run)
    except Conflict:
        return None
    except KubeError as error:
        raise from_kube(error, "secret variable of this app") from error
    return secret_version(data, salt)


async def restore(there: Collection, app: str, version: str, dry_run: bool) -> None:
    """Bring the copy that a version kept back. Problem refused where it is gone."""
    copy = Held({}, None)
    if version:
        copy = await _read(there, secret_copy_name(app, version))
        if copy.raw is None and (await read(there, app)).version != version:
            raise Problem("refused", "The secret variables of that version are no longer kept; it cannot come back.")
        if copy.raw is None:
            return
    for _ in range(ATTEMPTS):
        held = await read(there, app)
        if held.version == version or await write(there, app, held, copy.data, dry_run, copy.salt) is not None:
            return
    raise conflict("The secret variables were changed meanwhile. Repeat your change.")
