"""What a job of a `.gitlab-ci.yml` takes from others of the same file: `extends`, and `!reference` in lists.

Source: GitLab documentation, "Optimize GitLab CI/CD configuration files",
https://docs.gitlab.com/ci/yaml/yaml_optimization/
"""

from collections.abc import Mapping
from typing import Any, Final

from roost.builds.yaml_text import Reference

MOST_LINES: Final = 50  # Of a script, and of rules.
_EXTENDED: Final = 11  # How deep, as GitLab has it.
_REFERRED: Final = 10
_LISTS: Final = frozenset(["script", "before_script", "after_script", "rules"])


class JobLeftOut(ValueError):
    """Why a job is not taken over, and where in it."""

    def __init__(self, why: str, *place: str) -> None:
        super().__init__(why)
        self.place = place


def extended(file: Mapping[str, Any], name: str, own: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """(a job with what it extends beneath it, the names that its keys come from, its own first). JobLeftOut.

    Mappings are joined; of everything else the nearest word counts.
    """
    word, chain = dict(own), [name]
    waiting = _texts(word.get("extends"))[::-1]
    while waiting:
        base_name, *waiting = waiting
        base = file.get(base_name)
        if not isinstance(base, Mapping):
            raise JobLeftOut(f"it extends {base_name!r}, which is not in this file", "extends")
        if base_name in chain or len(chain) > _EXTENDED:
            raise JobLeftOut(f"it extends {base_name!r} in a circle, or too deep", "extends")
        chain.append(base_name)
        word = _joined(base, word)
        waiting = [*_texts(base.get("extends"))[::-1], *waiting]
    for key, value in word.items():
        if key in _LISTS:
            word[key] = inlined(file, value, key)
        elif _refers(value):
            raise JobLeftOut(f"`!reference` in `{key}` is not supported", key)
    return word, tuple(chain)


def inlined(file: Mapping[str, Any], value: Any, key: str) -> Any:
    """A list with what its references name in their places. JobLeftOut where one leads nowhere."""
    return _Inlining(file, key).of(value, 0)


class _Inlining:
    """One list. What is looked at is counted: references to nothing but references could go on for ever."""

    def __init__(self, file: Mapping[str, Any], key: str) -> None:
        self._file, self._key = file, key
        self._left = MOST_LINES * 4

    def of(self, value: Any, depth: int) -> Any:
        """A value with its references in their places."""
        self._left -= 1
        if self._left < 0:
            raise JobLeftOut(f"`{self._key}` has more than {MOST_LINES} entries", self._key)
        if isinstance(value, list):
            inner = [self.of(item, depth) for item in value]
            return [one for item in inner for one in (item if isinstance(item, list) else [item])]
        if not isinstance(value, Reference):
            return value
        named: Any = self._file
        for part in value.path:
            named = named.get(part) if isinstance(named, Mapping) else None
        if named is None or depth >= _REFERRED:
            raise JobLeftOut(f"`!reference [{', '.join(value.path)[:80]}]` leads nowhere", self._key)
        return self.of(named, depth + 1)


def _texts(given: Any) -> list[str]:
    """One text or several, as `extends` has them."""
    return [str(item) for item in given] if isinstance(given, list) else [str(given)] if given is not None else []


def _refers(value: Any) -> bool:
    """Whether a reference stands anywhere in it."""
    if isinstance(value, Mapping):
        return any(_refers(item) for item in value.values())
    return isinstance(value, Reference) or (isinstance(value, list) and any(_refers(item) for item in value))


def _joined(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` on top of `base`; mappings in both are joined as well."""
    made = {**base, **over}
    for key, word in over.items():
        beneath = base.get(key)
        if isinstance(word, Mapping) and isinstance(beneath, Mapping):
            made[key] = _joined(beneath, word)
    return made


def is_foreign(needs: Any) -> bool:
    """Whether a job of another pipeline or project is needed."""
    items = needs if isinstance(needs, list) else []
    return any(isinstance(item, Mapping) and ("pipeline" in item or "project" in item) for item in items)
