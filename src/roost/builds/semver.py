"""Ranges of versions as npm writes them (pure). `node_version` asks which Node satisfies one.

Source: https://docs.npmjs.com/cli/using-npm/semver (hyphens, x, tilde, caret, `||`). Pre-releases' marks are skipped.
"""

import re

Version = tuple[int, int, int]
MAX_LENGTH = 200
_NUMBER = r"(\d{1,9}|[xX*])"
_VERSION = rf"[vV=]*\s*{_NUMBER}(?:\.{_NUMBER})?(?:\.{_NUMBER})?(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?"
_ONE = re.compile(rf"(\^|~>?|>=|<=|>|<|)\s*{_VERSION}(?:\s+|$)")
_HYPHEN = re.compile(rf"\s*{_VERSION}\s+-\s+{_VERSION}\s*")
_FAR: Version = (10**9, 0, 0)


class NoRange(ValueError):
    """The text is no range of versions."""


def satisfies(version: Version, text: str) -> bool:
    """Whether the version is in the range. NoRange where it is none."""
    if len(text) > MAX_LENGTH:
        raise NoRange(text[:40])
    ranges = [_bounds(part) for part in text.split("||")]  # All are read, so that a wrong one is found.
    return any(low <= version < high for low, high in ranges)


def exact(text: str) -> Version | None:
    """The one version that `1.2.3` or `v1.2.3` names; None for all else."""
    found = re.fullmatch(r"\s*[vV=]?(\d{1,9})\.(\d{1,9})\.(\d{1,9})\s*", text)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def _numbers(parts: tuple[str | None, ...]) -> list[int]:
    """What is given up to the first x."""
    found: list[int] = []
    for part in parts:
        if part is None or not part.isdigit():
            break
        found.append(int(part))
    return found


def _first(numbers: list[int]) -> Version:
    one, two, three = [*numbers, 0, 0, 0][:3]
    return one, two, three


def _after(numbers: list[int]) -> Version:
    """The first version beyond all that begin with these numbers."""
    return _first([*numbers[:-1], numbers[-1] + 1]) if numbers else _FAR


def _bounds(text: str) -> tuple[Version, Version]:
    """(lowest, the first beyond) of what one alternative allows."""
    hyphen = _HYPHEN.fullmatch(text)
    if hyphen:
        groups = hyphen.groups()
        return _first(_numbers(groups[:3])), _after(_numbers(groups[3:]))
    low: Version = (0, 0, 0)
    high = _FAR
    rest = text.strip()
    while rest:
        found = _ONE.match(rest)
        if not found:
            raise NoRange(text)
        rest = rest[found.end() :]
        least, beyond = _one(found[1], _numbers(found.groups()[1:]))
        low, high = max(low, least), min(high, beyond)
    return low, high


def _one(sign: str, numbers: list[int]) -> tuple[Version, Version]:
    if sign == "^" and numbers:
        # The first number that is not 0 must stay; of zeros only, the last one given.
        at = next((index for index, number in enumerate(numbers) if number), len(numbers) - 1)
        return _first(numbers), _after(numbers[: at + 1])
    if sign.startswith("~"):
        return _first(numbers), _after(numbers[:2])
    if sign == ">=":
        return _first(numbers), _FAR
    if sign == ">":
        return _after(numbers), _FAR
    if sign == "<":
        return (0, 0, 0), _first(numbers)
    if sign == "<=":
        return (0, 0, 0), _after(numbers)
    return _first(numbers), _after(numbers)
