"""Seen: how a client reads its own writes though each replica has a cache of its own.

The answer to a write carries a cookie per kind: the version that was written, or that the cache is not to be asked.
Reads of that kind then wait until the cache is as new. It is no secret and gives no rights: a forged one only makes the
forger's read slower. `Cache-Control: no-cache` asks the cluster itself, as does the CLI.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

PREFIX: Final = "roost-seen-"
KEEP_S: Final = 30
DIRECT_S: Final = 5
NOT_CACHED: Final = "cluster"
_VERSION: Final = re.compile(r"^[1-9][0-9]{0,18}\Z")


def cookies(wrote: Mapping[str, str]) -> Iterator[bytes]:
    """The lines that remember writes; kind -> version or NOT_CACHED."""
    for kind, version in wrote.items():
        seconds = DIRECT_S if version == NOT_CACHED else KEEP_S
        text = f"{PREFIX}{kind}={version}; Path=/v1; Max-Age={seconds}; HttpOnly; SameSite=Strict"
        yield text.encode("latin-1")


def least_version(headers: Mapping[str, str], cookies_: Mapping[str, str], kind: str) -> int | None:
    """What a read must show at least; None: it is to ask the cluster."""
    if "no-cache" in headers.get("cache-control", ""):
        return None
    value = cookies_.get(PREFIX + kind, "")
    if value == NOT_CACHED:
        return None
    return int(value) if _VERSION.match(value) else 0
