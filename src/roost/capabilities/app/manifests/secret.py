"""The immutable copy of an App's secret configuration that Releases refer to."""

from collections.abc import Mapping
from typing import Any

from roost.capabilities.app.manifests.release import owner
from roost.model import names
from roost.model.configuration import SALT, secret_copy_name
from roost.model.kinds.app import App


def copy(app: App, version: str, data: Mapping[str, str], salt: str) -> dict[str, Any]:
    """Secret `<app>-config-<version>`; `data` as in Secret.data, `salt` that of its version.

    It belongs to the App, not to one Release: several Releases share a version.
    """
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": secret_copy_name(app.metadata.name, version),
            "namespace": app.metadata.namespace,
            "labels": {names.APP: app.metadata.name, names.MANAGED_BY: "roost"},
            "ownerReferences": [owner(app)],
            **({"annotations": {SALT: salt}} if salt else {}),
        },
        "type": "Opaque",
        "immutable": True,
        "data": dict(sorted(data.items())),
    }
