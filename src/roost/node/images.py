"""Every image that the platform runs or that tenants build on, made by our own recipes and kept in the cache.

Called by `roost.node` (up), by tests, and by hand: `.venv/bin/python -m roost.node.images [NAME...]`.

    CACHE/images/<name>-<key>.tar          OCI archive: `ctr -n k8s.io images import`, `skopeo copy oci-archive:...`
    CACHE/images/<name>-<key>.2.cdx.json   bill of materials, and the number of its form (`roost.node.sbom`)
    CACHE/images/<name>-<key>.json         reference and digest; written last, so an image without it does not count
    CACHE/images/roots/<root>-<key>/       root file systems as OCI layouts
    CACHE/images/buildkit/                 what the private buildkitd remembers of earlier builds

A key is a hash of all that an image is made of: recipe, root file systems, the engine's programs, the checkout's parts.
"""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from roost.node import engine as engines
from roost.node import engine_components, image_keys, image_roots, packages, paths, sbom
from roost.node.engine_compile import MakeFailed
from roost.node.engine_components import DeclarationWrong
from roost.node.engine_toolchain import ToolchainMissing
from roost.node.image_builder import Builder, BuildFailed, Programs, Solve, started
from roost.node.image_recipe import CHECKOUT, FOLDER, Recipe, RecipeInvalid, Root, load_recipes, load_roots
from roost.node.image_roots import RootFailed
from roost.node.image_settings import ImageSettings, MirrorMissing
from roost.node.progress import Progress, for_terminal

REPOSITORY = "roost.internal"  # Images are only preloaded under this name; nothing answers at it.
PARALLEL = 2
COMPRESSION = "compression=zstd,compression-level=3,force-compression=true,oci-mediatypes=true,rewrite-timestamp=true"
TICK_S = 1.0
DEBIAN = ("mmdebstrap", "debian-archive-keyring")
ENGINE_ERRORS = (MakeFailed, DeclarationWrong, engines.EngineIncomplete, ToolchainMissing, paths.SourceMissing)
KEPT = 2  # Keys kept per name: the one in use and the one before, for the way back.


class Engine(Protocol):
    """What is needed of `roost.node.engine.Engine`."""

    def path(self, program: str) -> Path:
        """Path of a program."""

    def component_dir(self, name: str) -> Path:
        """Folder of a component."""


@dataclass(frozen=True)
class Image:
    """One image in the cache."""

    name: str
    key: str
    reference: str  # What pods name, for example roost.internal/platform:0123456789abcdef.
    digest: str  # Of the manifest, `sha256:...`.
    archive: Path
    offered: str = ""  # Repository and tag in the cluster's registry, for tenants.

    @property
    def bill(self) -> Path:
        """The bill of materials (CycloneDX JSON)."""
        return sbom.beside(self.archive)


@dataclass(frozen=True)
class Images:
    """The images that were asked for, by name. A name that was not asked for is a KeyError."""

    images: Mapping[str, Image]

    def archive(self, name: str) -> Path:
        """The OCI archive."""
        return self.images[name].archive

    def ref(self, name: str) -> str:
        """The reference that pods name."""
        return self.images[name].reference

    def digest(self, name: str) -> str:
        """The manifest's digest, `sha256:...`."""
        return self.images[name].digest

    def bases(self) -> list[tuple[Path, str]]:
        """(archive, `base/<name>:<tag>`) of what tenants may build on, to be pushed into the cluster's registry."""
        return [(image.archive, image.offered) for image in self.images.values() if image.offered]


@dataclass(frozen=True)
class Workshop:
    """What one call of `build` works with."""

    engine: Engine
    settings: ImageSettings
    cache: Path  # CACHE/images
    recipes: Mapping[str, Recipe]
    keys: Mapping[str, str]
    references: Mapping[str, str]
    progress: Progress
    fresh: bool = False

    def root(self, name: str) -> Path:
        """Folder of a root file system."""
        key = image_roots.root_key(load_roots()[name], self.settings)
        return self.cache / "roots" / f"{name}-{key}"

    def find(self, name: str) -> Image | None:
        """The image if the cache has it, whole and under its present reference."""
        key, recipe = self.keys[name], self.recipes[name]
        archive = self.cache / f"{name}-{key}.tar"
        try:
            said = json.loads(archive.with_suffix(".json").read_text())
        except (FileNotFoundError, ValueError):
            return None
        if said["reference"] != self.references[name] or not archive.exists():
            return None
        return Image(name, key, said["reference"], said["digest"], archive, recipe.offered)


def cached(name: str, key: str) -> Image | None:
    """An image of some earlier build, where the cache still holds it whole."""
    archive = paths.cache() / "images" / f"{name}-{key}.tar"
    try:
        said = json.loads(archive.with_suffix(".json").read_text())
    except (FileNotFoundError, ValueError):
        return None
    return Image(name, key, said["reference"], said["digest"], archive) if archive.exists() else None


def build(
    engine: Engine,
    names: Sequence[str] | None = None,
    progress: Progress | None = None,
    *,
    settings: ImageSettings | None = None,
    fresh: bool = False,
) -> Images:
    """Make the images that are missing from the cache and return all that were asked for.

    `names` are recipes; none means every recipe. `fresh` makes them anew, with today's packages. Safe to interrupt.
    Settings come from the environment where none are given. BuildFailed, RootFailed, RecipeInvalid, MirrorMissing and
    PackagesMissing say what went wrong; what was finished before stays.
    """
    settings = settings or ImageSettings.read(os.environ)
    progress = progress or for_terminal()
    every = load_recipes()
    unknown = set(names or ()) - set(every)
    if unknown:
        raise BuildFailed(f"No recipe is called {', '.join(sorted(unknown))}. There are: {', '.join(every)}.")
    recipes = {name: every[name] for name in (names or every)}
    folder = paths.cache() / "images"
    folder.mkdir(parents=True, exist_ok=True)
    keys = image_keys.keys(recipes, lambda item: locate(engine, item), settings, folder / "digests.json")
    shop = Workshop(engine, settings, folder, recipes, keys, _references(engine, recipes, keys), progress, fresh)
    missing = [name for name in recipes if fresh or shop.find(name) is None]
    if missing:
        with _alone(folder):
            try:
                _make(shop, [name for name in missing if fresh or shop.find(name) is None])
            finally:
                progress.finish()
            prune(folder, set(every))
    found = {name: image for name in recipes if (image := shop.find(name)) is not None}
    unbilled = [image for image in found.values() if not image.bill.exists()]
    if unbilled:
        with _alone(folder):
            _bill(shop, [image for image in unbilled if not image.bill.exists()])
    for image in found.values():
        os.utime(image.archive)  # So that pruning knows what is in use.
    return Images(found)


def _make(shop: Workshop, names: Sequence[str]) -> None:
    if not names:
        return
    known = load_roots()
    needed = {f"{root} (packages)": root for name in names for root in shop.recipes[name].roots}
    roots = {part: root for part, root in needed.items() if shop.fresh or not shop.root(root).is_dir()}
    packages.ensure(DEBIAN)
    shop.progress.plan([*roots, *names])
    with ThreadPoolExecutor(PARALLEL) as pool:
        _follow(
            shop.progress,
            pool,
            {part: pool.submit(_make_root, shop, root, known[root]) for part, root in roots.items()},
        )
    programs = Programs(*(shop.engine.path(name) for name in ("buildkitd", "buildctl", "runc")))
    with started(programs, shop.settings, shop.cache / "buildkit") as builder, ThreadPoolExecutor(PARALLEL) as pool:
        _follow(shop.progress, pool, {name: pool.submit(_make_image, shop, builder, name) for name in names})


def _bill(shop: Workshop, images: Sequence[Image]) -> None:
    """Make bills anew that are of an older form; the images stay as they are."""
    if not images:
        return
    programs = Programs(*(shop.engine.path(name) for name in ("buildkitd", "buildctl", "runc")))
    try:
        shop.progress.plan([f"{image.name} (bill)" for image in images])
        with started(programs, shop.settings, shop.cache / "buildkit") as builder:
            for image in images:
                shop.progress.start(f"{image.name} (bill)")
                with (
                    layout(image.archive) as unpacked,
                    tempfile.TemporaryDirectory(prefix=f".{image.name}-", dir=shop.cache) as directory,
                ):
                    recipe, rootfs = Path(directory, "recipe"), Path(directory, "rootfs.tar")
                    recipe.mkdir()
                    (recipe / "Containerfile").write_text("FROM image\n")
                    context = {"image": (unpacked, image.digest)}
                    builder.build(Solve(recipe, outputs=(f"type=tar,dest={rootfs}",), layouts=context))
                    made = Path(directory, "bill.json")
                    sbom.write(rootfs, made, (f"{REPOSITORY}/{image.name}", image.key, image.digest))
                    made.rename(image.bill)
                shop.progress.done()
    finally:
        shop.progress.finish()


def _follow(progress: Progress, pool: ThreadPoolExecutor, parts: Mapping[str, "Future[None]"]) -> None:
    """Tell how parts go on, one after the other, although two of them run at a time. The first failure ends all."""
    try:
        for part, future in parts.items():
            progress.start(part)
            while not wait([future], timeout=TICK_S).done:
                progress.tick()
            future.result()
            progress.done()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _make_root(shop: Workshop, name: str, root: Root) -> None:
    directory = shop.root(name)
    shutil.rmtree(directory, ignore_errors=True)
    image_roots.make_root(root, shop.settings, directory, dict(os.environ))


def _make_image(shop: Workshop, builder: Builder, name: str) -> None:
    recipe, key = shop.recipes[name], shop.keys[name]
    archive = shop.cache / f"{name}-{key}.tar"
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=shop.cache) as directory:
        work = Path(directory)
        image, rootfs = work / "image.tar", work / "rootfs.tar"
        solve = Solve(
            folder=FOLDER / recipe.folder,
            arguments=recipe.arguments,
            outputs=(f"type=oci,dest={image},name={shop.references[name]},{COMPRESSION}", f"type=tar,dest={rootfs}"),
            layouts={root: (shop.root(root), image_roots.layout_digest(shop.root(root))) for root in recipe.roots},
            folders=_stage(recipe, shop.engine, work),
            epoch=image_roots.EPOCH,
            fresh=shop.fresh,
        )
        digest = builder.build(solve)
        bill, about = work / "bill.json", work / "about.json"
        sbom.write(rootfs, bill, (f"{REPOSITORY}/{name}", key, digest))
        about.write_text(json.dumps({"reference": shop.references[name], "digest": digest}))
        image.chmod(0o644)
        archive.with_suffix(".json").unlink(missing_ok=True)
        image.rename(archive)
        bill.rename(sbom.beside(archive))
        about.rename(archive.with_suffix(".json"))


def _stage(recipe: Recipe, engine: Engine, work: Path) -> dict[str, Path]:
    """Copies of what a recipe takes from the engine and the checkout, with the same times whoever made them."""
    folders: dict[str, Path] = {}
    for name in recipe.engine:
        folders["engine"] = work / "engine"
        _copy(locate(engine, name).resolve(), work / "engine" / Path(name).name)
    for path in recipe.checkout:
        folders["checkout"] = work / "checkout"
        _copy(CHECKOUT / path, work / "checkout" / path)
    return folders


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns(*image_keys.NOT_IN_IMAGES))
        for path in (target, *target.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o755 if path.stat().st_mode & 0o100 else 0o644)
            os.utime(path, (image_roots.EPOCH, image_roots.EPOCH))
    else:
        shutil.copyfile(source, target)
        target.chmod(0o755 if source.stat().st_mode & 0o100 else 0o644)
        os.utime(target, (image_roots.EPOCH, image_roots.EPOCH))


def locate(engine: Engine, item: str) -> Path:
    """Where something of the engine is: `etcd` is a program, `cilium/bpf` a folder of a component."""
    component, _, folder = item.partition("/")
    return engine.component_dir(component) / folder if folder else engine.path(item)


def _references(engine: Engine, recipes: Mapping[str, Recipe], keys: Mapping[str, str]) -> dict[str, str]:
    """What each image is called: kubeadm's own names and tags for its images, the tag that stays, else the key."""
    references = {name: f"{REPOSITORY}/{name}:{recipes[name].tag or key}" for name, key in keys.items()}
    if any(recipe.kubeadm for recipe in recipes.values()):
        program = [str(engine.path("kubeadm"))]
        version = subprocess.run([*program, "version", "-o", "short"], capture_output=True, text=True, check=True)
        listed = subprocess.run(
            [*program, "config", "images", "list", "--image-repository", REPOSITORY]
            + ["--kubernetes-version", version.stdout.strip()],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        asked = {reference.rsplit(":", 1)[0].removeprefix(f"{REPOSITORY}/"): reference for reference in listed}
        references.update({name: asked[recipe.kubeadm] for name, recipe in recipes.items() if recipe.kubeadm})
    return references


@contextmanager
def layout(archive: Path) -> Iterator[Path]:
    """An OCI archive unpacked into a folder that goes when the block ends."""
    with tempfile.TemporaryDirectory(prefix="roost-layout-") as directory:
        with tarfile.open(archive) as tar:
            tar.extractall(directory, filter="data")
        yield Path(directory)


def smoke(builder: Builder, image: Image, recipe: Recipe) -> None:
    """Run the recipe's smoke command inside the image, as the image's own user. BuildFailed when it fails."""
    with layout(image.archive) as unpacked, tempfile.TemporaryDirectory(prefix="roost-smoke-") as directory:
        Path(directory, "Containerfile").write_text(f"FROM image\nRUN {json.dumps(list(recipe.smoke))}\n")
        builder.build(Solve(Path(directory), layouts={"image": (unpacked, image.digest)}, fresh=True))


def prune(folder: Path, names: set[str]) -> list[str]:
    """Remove what no recipe makes any more and all but the newest keys of each name; what went, as file names."""
    gone: list[str] = []
    by_name: dict[str, list[Path]] = {}
    for archive in folder.glob("*.tar"):
        by_name.setdefault(archive.stem.rpartition("-")[0], []).append(archive)
    for name, archives in by_name.items():
        archives.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        for archive in archives[KEPT if name in names else 0 :]:
            for path in (archive.with_suffix(".json"), archive, *folder.glob(f"{archive.stem}.*cdx.json")):
                path.unlink(missing_ok=True)
            gone.append(archive.name)
    roots: dict[str, list[Path]] = {}
    for root in (folder / "roots").glob("[a-z]*-*"):
        roots.setdefault(root.name.rpartition("-")[0], []).append(root)
    for found in roots.values():
        for root in sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)[KEPT:]:
            shutil.rmtree(root)
            gone.append(root.name)
    for left in folder.glob(".*-*"):  # Work folders of a run that was killed; the lock is ours, so nobody is in them.
        shutil.rmtree(left, ignore_errors=True)
    return gone


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the lock of the cache: two runs at once would make everything twice."""
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def components(names: Sequence[str]) -> list[str]:
    """The engine's components that these images are made of or made with."""
    every = load_recipes()
    items = {item for name in (names or every) if name in every for item in every[name].engine}
    items |= {"buildkitd", "runc", "kubeadm"}
    declared = engine_components.load_all(paths.source() / "engine")
    folders = {item.partition("/")[0] for item in items if "/" in item}
    return [name for name, component in declared.items() if name in folders or items & set(component.names)]


def main(arguments: Sequence[str]) -> int:
    """Make the named images, or all; `--fresh` with today's packages. 0 when they are there, 1 with the reason."""
    names = [argument for argument in arguments if argument != "--fresh"]
    try:
        built = build(engines.build(components(names)), names or None, fresh="--fresh" in arguments)
    except (BuildFailed, RootFailed, RecipeInvalid, MirrorMissing, packages.PackagesMissing, *ENGINE_ERRORS) as failed:
        print(failed, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped. What is made stays; the same command goes on from here.", file=sys.stderr)
        return 130
    for image in built.images.values():
        print(f"{image.reference:<60} {image.archive}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
