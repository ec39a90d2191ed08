"""What `images/` says: root file systems and recipes, read from the checkout. Used by `roost.node.images`.

images/roots.yaml             root file systems that mmdebstrap makes, by name
images/<name>/image.yaml      what the image needs besides its folder (a Recipe). With `versions` it is one image each,
                              called <name>-<version>: `@tag@` stands for the version, `@NAME@` for its arguments
images/<name>/Containerfile   how it is built; the folder is its build context

RecipeInvalid                 a file that does not fit; its text names the file and the field
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

CHECKOUT = Path(__file__).resolve().parents[3]
FOLDER = CHECKOUT / "images"


class RecipeInvalid(ValueError):
    """A recipe that cannot be used."""


class Root(BaseModel):
    """A root file system made of Debian packages."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    suite: str = Field(pattern=r"^[a-z]{3,20}$", description="Debian's suite, for example trixie.")
    packages: tuple[str, ...] = Field(default=(), max_length=100, description="Packages beside the minimal ones.")


class Recipe(BaseModel):
    """One image. The folder's name is the image's name, or begins it where the folder makes several versions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9.-]{0,40}$")
    folder: str = Field(description="Where its Containerfile is.")
    arguments: dict[str, str] = Field(default={}, max_length=10, description="Build arguments of this version.")
    summary: str = Field(min_length=10, max_length=200, description="What it is for, in a sentence.")
    user: str = Field(pattern=r"^[0-9]+(:[0-9]+)?$", description="Who its process is: uid or uid:gid.")
    root_reason: str = Field(default="", max_length=300, description="Why it runs as root; empty when it does not.")
    roots: tuple[str, ...] = Field(default=(), description="Root file systems that its Containerfile names in FROM.")
    engine: tuple[str, ...] = Field(
        default=(),
        description="Programs of the engine (`etcd`), or folders (`cilium/bpf`), in the context `engine`.",
    )
    checkout: tuple[str, ...] = Field(default=(), description="Paths of the repository, in the context `checkout`.")
    kubeadm: str = Field(default="", description="What kubeadm calls it; its tag is then kubeadm's.")
    tag: str = Field(
        default="",
        pattern=r"^[0-9]{0,3}$",
        description="A tag that stays when the content changes: what pods that outlive upgrades name.",
    )
    offered: str = Field(default="", pattern=r"^(base/[a-z0-9-]+:[a-z0-9.]+)?$", description="Tenants' name for it.")
    smoke: tuple[str, ...] = Field(min_length=1, description="A command that shows that the image works.")


def load_roots(folder: Path = FOLDER) -> dict[str, Root]:
    """The root file systems by name. RecipeInvalid where the file does not fit."""
    path = folder / "roots.yaml"
    try:
        return {name: Root.model_validate(body) for name, body in yaml.safe_load(path.read_text()).items()}
    except (ValidationError, yaml.YAMLError, AttributeError) as wrong:
        raise RecipeInvalid(f"{path}: {wrong}") from wrong


def _expanded(name: str, body: Any) -> Iterator[Any]:
    """What the file describes: itself, or one recipe for each of its versions."""
    if not isinstance(body, dict) or "versions" not in body:
        yield {"name": name, "folder": name, **body}
        return
    text = json.dumps({key: value for key, value in body.items() if key != "versions"})
    for tag, arguments in body["versions"].items():
        filled = text
        for key, value in {"tag": tag, **arguments}.items():
            filled = filled.replace(f"@{key}@", str(value))
        yield {"name": f"{name}-{tag}", "folder": name, "arguments": arguments, **json.loads(filled)}


def load_recipes(folder: Path = FOLDER) -> dict[str, Recipe]:
    """Every recipe by name. RecipeInvalid where one does not fit, names an unknown root or hides that it is root."""
    roots = load_roots(folder)
    found: dict[str, Recipe] = {}
    for path in sorted(folder.glob("*/image.yaml")):
        try:
            read = list(_expanded(path.parent.name, yaml.safe_load(path.read_text())))
            recipes = [Recipe.model_validate(body) for body in read]
        except (ValidationError, yaml.YAMLError, TypeError, AttributeError) as wrong:
            raise RecipeInvalid(f"{path}: {wrong}") from wrong
        if not (path.parent / "Containerfile").is_file():
            raise RecipeInvalid(f"{path.parent} has no Containerfile.")
        for recipe in recipes:
            _check(path, recipe, roots)
            found[recipe.name] = recipe
    return found


def _check(path: Path, recipe: Recipe, roots: Mapping[str, Root]) -> None:
    unknown = set(recipe.roots) - set(roots)
    if unknown:
        raise RecipeInvalid(f"{path}: no root file system is called {', '.join(sorted(unknown))}.")
    if (recipe.user.split(":")[0] == "0") != bool(recipe.root_reason):
        raise RecipeInvalid(f"{path}: an image runs as root exactly when it gives a root_reason.")
