"""Secret configuration of an App: how its Secret is named and its version told.

Used by the API (which writes it), the release capability (which copies it) and the app capability (which hands it to
processes). Values never stand in an App or a Release, only this version does.
"""

import hashlib
import json
from collections.abc import Mapping


def secret_name(app: str) -> str:
    """The Secret that holds an App's current secret variables, one key each."""
    return f"{app}-config"


def secret_copy_name(app: str, version: str) -> str:
    """The immutable copy that a Release keeps."""
    return f"{app}-config-{version}"


def secret_version(data: Mapping[str, str]) -> str:
    """16 hex digits over names and values; empty where there are none. `data` as in Secret.data (base64 values)."""
    if not data:
        return ""
    text = json.dumps(dict(data), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
