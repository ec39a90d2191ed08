"""Reads a repository's `roost.yaml`. The git server does, when a ref moves; further keys are fields of `RoostFile`.

FileWrong       the file cannot be used; the text names the line and what is allowed
"""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from roost.builds.yaml_text import Document, Place, YamlWrong, load, variables
from roost.model.roost_file import LARGEST, NAME, RoostFile

MOST_TOLD: Final = 5


class FileWrong(ValueError):
    """What is wrong with the file, for whoever wrote it."""


def read(text: bytes) -> RoostFile:
    """The file. FileWrong."""
    try:
        document = load(text, LARGEST)
    except YamlWrong as error:
        raise FileWrong(told(NAME, error)) from error
    if document.value is None:
        return RoostFile()
    if not isinstance(document.value, Mapping):
        raise FileWrong(f"{NAME}:1: it is a mapping: `pipeline:` and what belongs to it.")
    values = dict(document.value)
    if isinstance(values.get("pipeline"), Mapping):
        values["pipeline"] = _pipeline(values["pipeline"], ("pipeline",), document)
    try:
        return RoostFile.model_validate(values)
    except ValidationError as error:
        raise FileWrong(explained(NAME, error, document)) from error


def told(name: str, error: YamlWrong) -> str:
    """`roost.yaml:3: ...`."""
    return f"{name}:{error.line}: {error}." if error.line else f"{name}: {error}."


def explained(name: str, error: ValidationError, document: Document) -> str:
    """One line for each thing that is wrong, with its line in the file."""
    wrong = error.errors(include_url=False)
    lines = [_explain(name, item["loc"], item["type"], item["msg"], document) for item in wrong[:MOST_TOLD]]
    if len(wrong) > MOST_TOLD:
        lines.append(f"... and {len(wrong) - MOST_TOLD} more.")
    return "\n".join(lines)


def _explain(name: str, place: Place, kind: str, message: str, document: Document) -> str:
    where = ".".join(str(part) for part in place) or name
    words = "there is no such key" if kind == "extra_forbidden" else message.removeprefix("Value error, ")
    return f"{name}:{document.line(place)}: {where}: {words}."[:500]


def _pipeline(value: Mapping[str, Any], place: Place, document: Document) -> dict[str, Any]:
    """Short forms written out: variables as a mapping, one command as a text."""
    made = dict(value)
    if "env" in made:
        made["env"] = variables(made["env"], (*place, "env"), document)
    if isinstance(made.get("steps"), list):
        made["steps"] = [_step(step, (*place, "steps", at), document) for at, step in enumerate(made["steps"])]
    return made


def _step(value: Any, place: Place, document: Document) -> Any:
    if not isinstance(value, Mapping):
        return value
    made = dict(value)
    if "env" in made:
        made["env"] = variables(made["env"], (*place, "env"), document)
    for key in ("commands", "secrets", "artefacts", "junit", "cache"):
        if isinstance(made.get(key), str):
            made[key] = [made[key]]
    return made
