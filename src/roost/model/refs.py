"""Refs of git and the patterns that name several of them. Imports little: git's hooks use it at every push.

A pattern is git's own of a refspec: at most one `*`, which stands for any text, slashes among it.
Source: https://git-scm.com/docs/gitglossary#def_refspec, "pattern".
"""

import re
from typing import Final

HEADS: Final = "refs/heads/"
TAGS: Final = "refs/tags/"
# A merge request by its number: `head`; from a fork: `fork`. So what it may is part of its name.
REQUESTS: Final = "refs/merge-requests/"
_REQUEST: Final = re.compile(r"refs/merge-requests/([1-9][0-9]{0,7})/(head|fork)\Z")
# What git refuses in a ref's name, as far as a pattern can say it; one star may stand in it.
REF_GLOB: Final = r"^[^\x00-\x20\x7f~^:?*\[\\]*\*?[^\x00-\x20\x7f~^:?*\[\\]*$"


def matches(pattern: str, name: str) -> bool:
    """Whether the name (without `refs/heads/`) is one of the pattern's."""
    before, star, after = pattern.partition("*")
    if not star:
        return name == pattern
    return len(name) >= len(before) + len(after) and name.startswith(before) and name.endswith(after)


def request_of(ref: str) -> int | None:
    """The number of the merge request that a ref stands for; None: it is none."""
    found = _REQUEST.match(ref)
    return int(found[1]) if found else None


def is_fork(ref: str) -> bool:
    """Whether a merge request came from somebody else's repository."""
    return request_of(ref) is not None and ref.endswith("/fork")


def short(ref: str) -> str:
    """The name as people say it."""
    return ref.removeprefix(HEADS).removeprefix(TAGS)
