"""Where Roost keeps what can be made again: compiled programs, images, downloads. Used by the builds of `roost.node`.

The cache lies outside the checkout, so that a fresh clone finds it warm. What a running cluster needs is copied out of
it (see `machine.BIN`): deleting the cache costs time, never a cluster.
"""

import os
from collections.abc import Mapping
from pathlib import Path


class SourceMissing(RuntimeError):
    """The folders with the recipes are not beside the code; the text says what to do."""


def cache(environ: Mapping[str, str] = os.environ) -> Path:
    """The root of the cache: $ROOST_CACHE, else `roost` in the user's cache directory."""
    if chosen := environ.get("ROOST_CACHE"):
        return Path(chosen).absolute()
    base = environ.get("XDG_CACHE_HOME") or str(Path(environ.get("HOME", "/root")) / ".cache")
    return Path(base) / "roost"


def engine(environ: Mapping[str, str] = os.environ) -> Path:
    """Where the compiled components lie, one folder `<component>-<key>` each."""
    return cache(environ) / "engine"


def logs(environ: Mapping[str, str] = os.environ) -> Path:
    """Where the output of compilers lies, one file per component."""
    return cache(environ) / "logs"


def source() -> Path:
    """The checkout: the folder that holds `engine/` and `images/`. SourceMissing where Roost is a mere wheel."""
    root = Path(__file__).resolve().parents[3]
    if not (root / "engine").is_dir():
        raise SourceMissing(f"There is no folder `engine` in {root}. Run this from a checkout of Roost: `make up`.")
    return root
