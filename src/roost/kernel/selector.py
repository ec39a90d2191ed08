"""Label selectors as text (`a=b,c!=d,e,!f,g in (h,i)`): which labels match, and which selector contains which.

Caches answer lists with it. Pure.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

_SET = re.compile(r"^(\S+)\s+(in|notin)\s+\(([^)]*)\)$")
_COMMA = re.compile(r",(?![^(]*\))")


@dataclass(frozen=True)
class Requirement:
    """One requirement: `key` in, not in (`values`), exists or not (`!`)."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels fulfil it."""
        value = labels.get(self.key)
        if self.operator == "in":
            return value is not None and value in self.values
        if self.operator == "notin":
            return value is None or value not in self.values
        return (value is None) == (self.operator == "!")

    def implied_by(self, other: "Requirement") -> bool:
        """Whether everything that fulfils `other` fulfils this."""
        if self == other:
            return True
        if self.key != other.key or other.operator != "in":
            return False
        return self.operator == "exists" or (self.operator == "in" and other.values <= self.values)


@lru_cache(maxsize=4096)
def parse(text: str) -> tuple[Requirement, ...]:
    """The requirements of a selector; none for an empty text. ValueError for text that is none."""
    return tuple(_requirement(part.strip()) for part in _COMMA.split(text) if part.strip())


def _requirement(part: str) -> Requirement:
    found = _SET.match(part)
    if found:
        values = frozenset(value.strip() for value in found[3].split(","))
        return Requirement(found[1], found[2], values)
    if "!=" in part:
        key, _, value = part.partition("!=")
        return Requirement(key.strip(), "notin", frozenset([value.strip()]))
    if "=" in part:
        key, _, value = part.replace("==", "=").partition("=")
        return Requirement(key.strip(), "in", frozenset([value.strip()]))
    if " " in part:
        raise ValueError(f"{part!r} is no label selector.")
    return Requirement(part[1:].strip(), "!") if part.startswith("!") else Requirement(part, "exists")


def matches(text: str, labels: Mapping[str, str]) -> bool:
    """Whether labels fulfil a selector."""
    return all(requirement.matches(labels) for requirement in parse(text))


@lru_cache(maxsize=4096)
def contains(wide: str, narrow: str) -> bool:
    """Whether everything that `narrow` selects is surely selected by `wide` too."""
    narrower = parse(narrow)
    return all(any(requirement.implied_by(other) for other in narrower) for requirement in parse(wide))
