"""What the engine consists of, as declared in `engine/<component>/component.toml`. Used by `roost.node.engine`.

One folder is one component. There are three kinds:

    go      programs compiled from a Go module: go.mod, go.sum, and a main.go where upstream's main is not what we want
    files   folders taken out of a Go module as they are
    wheel   programs, and folders, taken out of one Python wheel, pinned by hash

A component's key covers all that its content comes from, so the cache needs no other rule to know what is current.
"""

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

RECIPE = 1  # Raise it when this code makes something else of the same declaration.


class DeclarationWrong(ValueError):
    """A component is declared wrongly; the text names the file and the field."""


class Component(BaseModel):
    """One folder of `engine/`. Paths are relative to the module, the wheel, or the component's own folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    about: str = Field(min_length=1)
    kind: Literal["go", "files", "wheel"]
    module: str = ""  # The Go module whose version is the component's.
    programs: Mapping[str, str] = {}  # Name of a program: its Go package (`.` is main.go here), or its path in a wheel.
    links: Mapping[str, tuple[str, ...]] = {}  # Name of a program: further names for it.
    folders: Mapping[str, str] = {}  # Name of a folder beside bin/: its path in the module or wheel.
    tags: tuple[str, ...] = ()
    variables: Mapping[str, str] = {}  # Go variables that the linker sets.
    cgo: bool = False
    static: bool = False  # Link C libraries in; only with cgo.
    debian: tuple[str, ...] = ()  # Packages that compiling needs.
    wheel: str = ""
    version: str = ""  # Of a wheel, or filled in from go.mod.
    sha256: str = ""
    optional: bool = False  # No cluster runs on it: made only where it is asked for by name, by tests and benchmarks.

    @model_validator(mode="after")
    def _whole(self) -> "Component":
        needed = {"go": ("module", "programs"), "files": ("module", "folders"), "wheel": ("wheel", "sha256")}
        for field in (*needed[self.kind], "version"):
            if not getattr(self, field):
                raise ValueError(f"kind {self.kind} needs `{field}`")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Every name in bin/, links too."""
        return (*self.programs, *(name for names in self.links.values() for name in names))


def module_version(go_mod: str, module: str) -> str:
    """The version of `module` that a go.mod's text requires, or an empty string."""
    found = re.search(rf"^\s*(?:require\s+)?{re.escape(module)}\s+(v\S+)", go_mod, re.MULTILINE)
    return found[1] if found else ""


def load(folder: Path) -> Component:
    """The component that a folder declares. DeclarationWrong, with the file and field, where it cannot be used."""
    path = folder / "component.toml"
    try:
        values = tomllib.loads(path.read_text())
        if module := values.get("module"):
            values["version"] = module_version((folder / "go.mod").read_text(), module)
        return Component(name=folder.name, **values)
    except FileNotFoundError as missing:
        raise DeclarationWrong(f"{missing.filename} is missing.") from missing
    except tomllib.TOMLDecodeError as wrong:
        raise DeclarationWrong(f"{path}: {wrong}") from wrong
    except ValidationError as wrong:
        said = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}".lstrip(": ") for e in wrong.errors())
        raise DeclarationWrong(f"{path}: {said}") from wrong


def load_all(root: Path) -> dict[str, Component]:
    """Every component in `engine/`, by name in alphabetical order."""
    return {path.parent.name: load(path.parent) for path in sorted(root.glob("*/component.toml"))}


def key(component: Component, folder: Path, go_version: str) -> str:
    """Twelve hexadecimal digits that change with anything the component's content comes from, and with nothing else."""
    told = component.model_dump(exclude={"about", "debian", "optional"}, mode="json") | {"recipe": RECIPE}
    if component.kind == "go":
        told["go"] = go_version
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for path in sorted(p for p in folder.rglob("*") if p.suffix == ".go" or p.name in ("go.mod", "go.sum")):
        content = path.read_bytes()
        digest.update(f"\n{path.relative_to(folder)} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:12]
