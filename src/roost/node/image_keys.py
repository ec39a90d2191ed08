"""Keys of images: hashes of all that an image is made of. Called by `roost.node.images`; writes its memo only.

The engine's programs are hundreds of megabytes, so their digests are remembered by path, size and time of change.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from roost.node import image_roots
from roost.node.image_recipe import CHECKOUT, FOLDER, Recipe, load_roots
from roost.node.image_settings import ImageSettings

FORMAT = 1  # Raised when the way images are made changes without a change of their recipes.
NOT_IN_IMAGES = ("__pycache__", "*.pyc", "tests", ".git")  # Never copied into an image, so never part of a key.


def keys(
    recipes: Mapping[str, Recipe],
    engine: Callable[[str], Path],
    settings: ImageSettings,
    memo: Path,
    folder: Path = FOLDER,
    checkout: Path = CHECKOUT,
) -> dict[str, str]:
    """The key of each recipe, 16 hexadecimal digits. `engine` gives paths of programs, `memo` is a JSON file."""
    remembered = _read(memo)
    digests: dict[str, str] = {}
    roots = load_roots(folder)

    def program(name: str) -> str:
        path = engine(name).resolve()
        if path.is_dir():
            return tree_digest(path)
        facts = path.stat()
        entry = f"{path}:{facts.st_size}:{facts.st_mtime_ns}"
        digests[entry] = digests.get(entry) or remembered.get(entry) or file_digest(path)
        return digests[entry]

    found: dict[str, str] = {}
    for name, recipe in recipes.items():
        made_of = {
            "format": FORMAT,
            "architecture": image_roots.architecture(),
            "recipe": tree_digest(folder / recipe.folder),
            "roots": {root: image_roots.root_key(roots[root], settings) for root in recipe.roots},
            "engine": {item: program(item) for item in recipe.engine},
            "checkout": {path: tree_digest(checkout / path) for path in recipe.checkout},
        }
        if recipe.arguments:
            made_of["arguments"] = recipe.arguments
        found[name] = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:16]
    if set(digests) - set(remembered):
        memo.write_text(json.dumps({**remembered, **digests}))
    return found


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def tree_digest(path: Path) -> str:
    """SHA-256 of a file or of a folder: names, contents and whether a file can be executed, not times or owners."""
    total = hashlib.sha256()
    for item in _files(path):
        executable = bool(item.stat().st_mode & 0o100)
        name = item.relative_to(path).as_posix()
        total.update(f"{name}\0{executable}\0{file_digest(item)}\n".encode())
    return total.hexdigest()


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    if not path.is_dir():
        raise FileNotFoundError(f"{path} is named by a recipe and does not exist.")
    for item in sorted(path.iterdir()):
        if any(item.match(pattern) for pattern in NOT_IN_IMAGES):
            continue
        if item.is_dir():
            yield from _files(item)
        elif item.is_file():
            yield item


def _read(memo: Path) -> dict[str, str]:
    try:
        return {str(entry): str(digest) for entry, digest in json.loads(memo.read_text()).items()}
    except (FileNotFoundError, ValueError, AttributeError):
        return {}
