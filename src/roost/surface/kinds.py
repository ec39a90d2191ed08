"""Which kind stands where in the API: what the API's routes and the CLI's generic verbs share. Loads every kind."""

from typing import Final

from roost.kernel.discovery import kinds
from roost.model.resource import Resource

# Kinds of the build namespace; every other one with a namespace is of an environment.
BUILD_KINDS: Final = frozenset(["Channel", "CommitStatus", "Import", "Notice", "Preview", "Project", "Run", "Waiver"])


def find(word: str) -> type[Resource] | None:
    """The kind that a person means by its kind, plural, singular or short name, in any case."""
    wanted = word.lower().removesuffix(".roost.dev")
    for kind in kinds():
        if wanted in (kind.KIND.lower(), kind.PLURAL, *kind.SHORT_NAMES):
            return kind
    return None
