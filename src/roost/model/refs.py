"""Refs of git and the patterns that name several of them. Imports little: git's hooks use it at every push.

A pattern is git's own of a refspec: at most one `*`, which stands for any text, slashes among it.
Source: https://git-scm.com/docs/gitglossary#def_refspec, "pattern".
"""

from typing import Final

HEADS: Final = "refs/heads/"
TAGS: Final = "refs/tags/"
# What git refuses in a ref's name, as far as a pattern can say it; one star may stand in it.
REF_GLOB: Final = r"^[^\x00-\x20\x7f~^:?*\[\\]*\*?[^\x00-\x20\x7f~^:?*\[\\]*$"


def matches(pattern: str, name: str) -> bool:
    """Whether the name (without `refs/heads/`) is one of the pattern's."""
    before, star, after = pattern.partition("*")
    if not star:
        return name == pattern
    return len(name) >= len(before) + len(after) and name.startswith(before) and name.endswith(after)


def short(ref: str) -> str:
    """The name as people say it."""
    return ref.removeprefix(HEADS).removeprefix(TAGS)
