"""YAML that a stranger wrote, read within bounds, with the line of everything. For `roost.yaml` and `.gitlab-ci.yml`.

No alias, so no bomb; no tag, so nothing is made but texts, numbers, truth values, lists and mappings; a key stands
once. Plain words mean what YAML 1.2 says (core schema): `on` and `no` are texts, `1:20` is no number. Where aliases are
taken (`loose`), all that they stand for counts as if it were written out; merge keys (`<<`) and GitLab's `!reference`
are read there too.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

DEEPEST: Final = 20
MOST: Final = 20_000  # Events of the parser.
Place = tuple[str | int, ...]
_REFERENCE: Final = "!reference"
_MERGE: Final = "tag:yaml.org,2002:merge"
_TRUE: Final = frozenset(["true", "True", "TRUE"])
_FALSE: Final = frozenset(["false", "False", "FALSE"])
_NULL: Final = frozenset(["", "~", "null", "Null", "NULL"])
_WHOLE: Final = re.compile(r"^[-+]?[0-9]{1,18}\Z")
_BROKEN: Final = re.compile(r"^[-+]?[0-9]{1,18}\.[0-9]{1,18}\Z")


class YamlWrong(ValueError):
    """The text is no YAML as it is wanted here. `line` counts from 1; 0: none in particular."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True)
class Reference:
    """`!reference [.setup, script]`: what stands at that place of the file."""

    path: tuple[str, ...]


@dataclass
class Document:
    """What stands in it. lines: of each value, by its place; texts: scalars as they were written."""

    value: Any = None
    lines: dict[Place, int] = field(default_factory=dict)
    texts: dict[Place, str] = field(default_factory=dict)
    loose: bool = False
    size: int = 0  # How much stands in it, aliases written out.

    def count(self, line: int) -> None:
        """One more of what it holds. YamlWrong where that is too much."""
        self.size += 1
        if self.size > MOST:
            raise YamlWrong("with its aliases written out it holds too much", line)

    def line(self, place: Sequence[str | int]) -> int:
        """The line of what stands at a place, or of what holds it."""
        for length in range(len(place), -1, -1):
            if tuple(place[:length]) in self.lines:
                return self.lines[tuple(place[:length])]
        return 0


def load(text: bytes, largest: int, *, loose: bool = False) -> Document:
    """The document. YamlWrong with the line and what is wrong."""
    if len(text) > largest:
        raise YamlWrong(f"it is longer than {largest // 1024} KiB")
    try:
        decoded = text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise YamlWrong("it is no UTF-8 text") from error
    try:
        _check(decoded, loose)
        node = yaml.compose(decoded, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise YamlWrong(str(error.problem or "it is no YAML")[:300], line) from error
    except yaml.YAMLError as error:
        raise YamlWrong(f"it is no YAML: {error}"[:300]) from error
    document = Document(loose=loose)
    if node is not None:
        document.value = _convert(node, (), document)
    return document


def _check(text: str, loose: bool) -> None:
    """Count before anything is built of it."""
    depth = 0
    for number, event in enumerate(yaml.parse(text, Loader=yaml.SafeLoader)):
        line = event.start_mark.line + 1 if event.start_mark else 0
        if number > MOST:
            raise YamlWrong("it holds too much", line)
        if not loose and (isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None)):
            raise YamlWrong("anchors and aliases (& and *) are not taken: write it out", line)
        is_reference = loose and isinstance(event, yaml.SequenceStartEvent) and event.tag == _REFERENCE
        if getattr(event, "tag", None) not in (None, "!") and not is_reference:
            raise YamlWrong("tags (!name) are not taken", line)
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise YamlWrong(f"it is nested more than {DEEPEST} deep", line)


def _convert(node: yaml.Node, place: Place, into: Document) -> Any:
    line = node.start_mark.line + 1
    into.count(line)
    if len(place) > DEEPEST:
        raise YamlWrong("with its aliases written out it is nested too deep", line)
    into.lines.setdefault(place, line)
    if isinstance(node, yaml.ScalarNode):
        into.texts[place] = node.value
        return _scalar(node)
    if isinstance(node, yaml.SequenceNode) and node.tag == _REFERENCE:
        return Reference(tuple(str(item.value) for item in node.value if isinstance(item, yaml.ScalarNode)))
    if isinstance(node, yaml.SequenceNode):
        return [_convert(item, (*place, at), into) for at, item in enumerate(node.value)]
    found: dict[str, Any] = {}
    assert isinstance(node, yaml.MappingNode)
    for key, name, value in _pairs(node, 0, into):
        into.lines[(*place, key)] = name.start_mark.line + 1
        found[key] = _convert(value, (*place, key), into)
    return found


def _pairs(node: yaml.MappingNode, depth: int, into: Document) -> list[tuple[str, yaml.Node, yaml.Node]]:
    """(key, its node, its value's) of a mapping, with what is merged into it; its own keys are stronger."""
    own: dict[str, tuple[yaml.Node, yaml.Node]] = {}
    merged: list[yaml.Node] = []
    for name, value in node.value:
        line = name.start_mark.line + 1
        if not isinstance(name, yaml.ScalarNode):
            raise YamlWrong("a key is a text", line)
        into.count(line)
        if name.tag == _MERGE and into.loose:
            merged += value.value if isinstance(value, yaml.SequenceNode) else [value]
            continue
        key = str(name.value)
        if key in own:
            raise YamlWrong(f"the key {key[:60]!r} stands twice", line)
        own[key] = (name, value)
    for other in merged:
        line = other.start_mark.line + 1
        if not isinstance(other, yaml.MappingNode) or depth > DEEPEST:
            raise YamlWrong("`<<` merges mappings", line)
        for key, name, value in _pairs(other, depth + 1, into):
            own.setdefault(key, (name, value))
    return [(key, name, value) for key, (name, value) in own.items()]


def _scalar(node: yaml.ScalarNode) -> Any:
    text = str(node.value)
    if node.style is not None:
        return text
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _WHOLE.match(text):
        return int(text)
    return float(text) if _BROKEN.match(text) else text


def variables(value: Any, place: Place, document: Document) -> Any:
    """A mapping of variables as the model has them: name and value; numbers as they were written. Else as it is."""
    if not isinstance(value, Mapping):
        return value
    made = []
    for name, content in value.items():
        scalar = not isinstance(content, Mapping | list)
        made.append({"name": name, "value": document.texts.get((*place, name), "") if scalar else content})
    return made
