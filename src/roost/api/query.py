"""Queries: filter, sort and page objects of one collection. Pure; the same for objects from the cache and the cluster.

fields  `spec.stopped=true,status.conditions.Ready.status!=True`: values are compared as text; the items of a list
        are chosen by their `type` or `name`, or any of them
sort    `-metadata.creationTimestamp,metadata.name`: `-` for descending; what has no value comes last; at the end,
        the name decides
rest    a token: the place of the last item in that order. It holds nothing that its bearer was not given.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, total_ordering
from typing import Any, Final

import msgspec

from roost.model.resource import Resource
from roost.model.schema import root
from roost.surface.problems import invalid, malformed

MAX_FILTERS: Final = 10
MAX_SORTS: Final = 4
MAX_KEY: Final = 200  # Characters of a text by which is sorted.
CURSOR: Final = "r."
_PATH: Final = re.compile(r"^[A-Za-z][A-Za-z0-9_-]{0,62}(\.[A-Za-z][A-Za-z0-9_-]{0,62}){1,7}\Z")
_FILTER: Final = re.compile(r"^([^=!,\s]+)\s*(!=|==?)\s*(.*)\Z", re.S)
_METADATA: Final = frozenset(
    ["name", "namespace", "uid", "generation", "resourceVersion", "creationTimestamp", "deletionTimestamp"]
)
Object = Mapping[str, Any]
Path = tuple[str, ...]


@dataclass(frozen=True)
class Filter:
    """A field and the value that it must, or must not, have."""

    path: Path
    value: str
    equal: bool

    def shows(self, item: Object) -> bool:
        """Whether the object passes."""
        return (self.value in {_text(value) for value in _values(item, self.path)}) == self.equal


@dataclass(frozen=True)
class Query:
    """What of a collection is wanted, in which order. `text` is the order as it was asked for."""

    filters: tuple[Filter, ...] = ()
    sorts: tuple[tuple[Path, bool], ...] = ()
    text: str = ""

    def key(self, values: Sequence[Any], name: str) -> tuple[Any, ...]:
        """A place in the order."""
        ranks = []
        for value, (_, down) in zip(values, self.sorts, strict=True):
            rank = _rank(value)
            ranks.append((value is None, _Down(rank) if down else rank))
        return (*ranks, name)

    def values(self, item: Object) -> list[Any]:
        """What of the object decides its place."""
        return [_scalar(next(_values(item, path), None)) for path, _ in self.sorts]

    def run(self, items: Sequence[Object], limit: int, rest: str) -> tuple[list[Object], str, int]:
        """(the page, the token of the next or "", how many there are in all). Problem malformed for a bad token."""
        shown = [item for item in items if all(wanted.shows(item) for wanted in self.filters)]
        placed = sorted(((self.key(self.values(item), item["metadata"]["name"]), item) for item in shown), key=_first)
        if rest:
            after = self._place(rest)
            placed = [pair for pair in placed if pair[0] > after]
        page = [item for _, item in placed[:limit]]
        more = self._token(page[-1]) if len(placed) > limit else ""
        return page, more, len(shown)

    def _token(self, last: Object) -> str:
        content = msgspec.json.encode([self.text, self.values(last), last["metadata"]["name"]])
        return CURSOR + base64.urlsafe_b64encode(content).decode().rstrip("=")

    def _place(self, rest: str) -> tuple[Any, ...]:
        try:
            text = rest.removeprefix(CURSOR)
            content = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            order, values, name = msgspec.json.decode(
                content, type=tuple[str, list[str | bool | int | float | None], str]
            )
        except (binascii.Error, msgspec.DecodeError, ValueError) as error:
            raise malformed("`continue` is no token that was given with a page.") from error
        if order != self.text or len(values) != len(self.sorts):
            raise malformed("`continue` belongs to another `sort`. Begin again.")
        return self.key(values, name)


def _first(pair: tuple[Any, Object]) -> Any:
    return pair[0]


@total_ordering
@dataclass(frozen=True)
class _Down:
    """A rank, the other way round."""

    rank: tuple[int, Any]

    def __lt__(self, other: "_Down") -> bool:
        return self.rank > other.rank


def _rank(value: Any) -> tuple[int, Any]:
    """Things of different sorts can be compared too."""
    if value is None:
        return 0, 0
    if isinstance(value, bool):
        return 1, value
    return (2, value) if isinstance(value, int | float) else (3, str(value)[:MAX_KEY])


def _scalar(value: Any) -> Any:
    if isinstance(value, str):
        return value[:MAX_KEY]
    return value if isinstance(value, bool | int | float) or value is None else None


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _values(item: Any, path: Path) -> Iterator[Any]:
    """The values at a path; of a list those of the item with that `type` or `name`, else of all items."""
    if isinstance(item, list):
        chosen = [one for one in item if isinstance(one, Mapping) and path and path[0] in _names(one)]
        for one in chosen or item:
            yield from _values(one, path[1:] if chosen else path)
    elif not path:
        if item is not None and not isinstance(item, Mapping):
            yield item
    elif isinstance(item, Mapping):
        yield from _values(item.get(path[0]), path[1:])


def _names(item: Mapping[str, Any]) -> tuple[Any, Any]:
    return item.get("type"), item.get("name")


def read(kind: type[Resource], fields: str, sort: str) -> Query:
    """The query; Problem invalid names what does not fit."""
    filters = []
    parts = [part.strip() for part in fields.split(",") if part.strip()]
    if len(parts) > MAX_FILTERS:
        raise invalid("fields", f"At most {MAX_FILTERS} conditions.")
    for part in parts:
        found = _FILTER.match(part)
        if not found:
            raise invalid("fields", f"{part[:80]!r} is no condition: path=value or path!=value.")
        filters.append(Filter(_path(kind, found[1], "fields"), found[3].strip(), found[2] != "!="))
    keys = [part.strip() for part in sort.split(",") if part.strip()]
    if len(keys) > MAX_SORTS:
        raise invalid("sort", f"At most {MAX_SORTS} fields.")
    sorts = tuple((_path(kind, key.removeprefix("-"), "sort"), key.startswith("-")) for key in keys)
    return Query(tuple(filters), sorts, ",".join(keys))


def _path(kind: type[Resource], text: str, where: str) -> Path:
    path = tuple(text.split("."))
    if not _PATH.match(text) or not _known(kind, path):
        raise invalid(where, f"{kind.KIND} has no field {text[:80]!r}. Fields are those of docs/kinds, e.g. spec.x.")
    return path


def _known(kind: type[Resource], path: Path) -> bool:
    if path[0] == "metadata":
        return len(path) == 2 and path[1] in _METADATA
    tree: Any = _tree(kind)
    for part in path:
        if part in tree:
            tree = tree[part]
        elif _ANY not in tree:
            return False
        else:  # The name of an item, or a key of a map.
            tree = tree[_ANY] if isinstance(tree[_ANY], dict) else {}
    return True


_ANY: Final = "*"


@cache
def _tree(kind: type[Resource]) -> dict[str, Any]:
    """The fields of spec and status as nested dicts; `*` stands where names of items or keys are chosen freely."""
    schema = root(kind)["properties"]
    return {part: _branch(schema[part]) for part in ("spec", "status")}


def _branch(schema: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {key: _branch(value) for key, value in (schema.get("properties") or {}).items()}
    if "items" in schema:
        tree = _branch(schema["items"])
        tree[_ANY] = dict(tree)
    if isinstance(schema.get("additionalProperties"), Mapping):
        tree[_ANY] = _branch(schema["additionalProperties"])
    return tree
