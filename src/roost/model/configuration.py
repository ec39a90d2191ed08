"""Secret configuration of an App: how its Secret is named and its version told.

Used by the API (which writes it), the release capability (which copies it) and the app capability (which hands it to
processes). Values never stand in an App or a Release, only this version does.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Final

SALT: Final = "roost.dev/secret-salt"  # Annotation of the Secret and its copies: who may not read them cannot know it.


def secret_name(app: str) -> str:
    """The Secret that holds an App's current secret variables, one key each."""
    return f"{app}-config"


def secret_copy_name(app: str, version: str) -> str:
    """The immutable copy that a Release keeps."""
    return f"{app}-config-{version}"


def secret_version(data: Mapping[str, str], salt: str) -> str:
    """16 hex digits over names and values; empty where there are none. `data` as in Secret.data (base64 values).

    Whoever reads Apps and Releases sees it, so it is an HMAC (RFC 2104) under the Secret's own `salt`: without that,
    short values could be found by trying. An empty salt: a Secret from before there were salts.
    """
    if not data:
        return ""
    text = json.dumps(dict(data), sort_keys=True, separators=(",", ":")).encode()
    made = hmac.new(salt.encode(), text, hashlib.sha256) if salt else hashlib.sha256(text)
    return made.hexdigest()[:16]
