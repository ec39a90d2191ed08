"""The engine: upstream Kubernetes and what it runs on, compiled once into a cache outside the checkout.

`build` makes what is missing and returns an `Engine`, by which `up`, the image builds and the tests find programs:

    cache/engine/<component>-<key>/bin/<program>

A component is made in a folder of its own that is renamed when whole, so a folder with the right name is always
complete. An interrupted build loses at most the component at hand, and of that only what the compiler had not yet put
into its own cache. Two builds at once don't disturb each other: each component has a lock.

`python -m roost.node.engine [component...]` builds; `roost node build` and `make up` call `build`.
"""

import fcntl
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from roost.node import engine_compile, engine_components, engine_toolchain, packages, paths, progress
from roost.node.engine_compile import MakeFailed
from roost.node.engine_components import Component, DeclarationWrong
from roost.node.engine_toolchain import Toolchain, ToolchainMissing

KEEP = 2  # Entries of one component that stay: the current one, and the one of the branch you come from.


class EngineIncomplete(LookupError):
    """Something of the engine is asked for that is not built or does not exist; the text says how to get it."""


FAILURES = (
    MakeFailed,
    DeclarationWrong,
    EngineIncomplete,
    ToolchainMissing,
    packages.PackagesMissing,
    paths.SourceMissing,
)  # What `build` and `existing` raise, each with a text for people.


@dataclass(frozen=True)
class Built:
    """One component in the cache."""

    component: Component
    directory: Path
    key: str


@dataclass(frozen=True)
class Engine:
    """Components that are built, by name."""

    components: Mapping[str, Built]

    def path(self, program: str) -> Path:
        """The file of a program such as `kubelet`. EngineIncomplete where no built component has it."""
        for built in self.components.values():
            if program in built.component.names:
                return built.directory / "bin" / program
        raise EngineIncomplete(f"The engine has no program `{program}`. Run `roost node build` first.")

    def component_dir(self, name: str) -> Path:
        """The folder of a component: bin/ and its further folders."""
        return self._built(name).directory

    def version(self, name: str) -> str:
        """The upstream version of a component, as its own project writes it (`v1.36.3`, `3.7.15`)."""
        return self._built(name).component.version

    def key(self, name: str) -> str:
        """What the content of a component came from, in twelve digits: for keys of what is made out of it."""
        return self._built(name).key

    def _built(self, name: str) -> Built:
        try:
            return self.components[name]
        except KeyError:
            raise EngineIncomplete(f"The engine's component `{name}` is not built. Run `roost node build`.") from None


class Store:
    """The folder of the cache that holds the components. All that is written there is written here."""

    def __init__(self, root: Path, logs: Path) -> None:
        self.root, self.logs = root, logs

    def entry(self, name: str, key: str) -> Path:
        """Where a component with this key lies, whether it is there or not."""
        return self.root / f"{name}-{key}"

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Hold a component's lock; wait for another build that holds it. The lock ends with the process."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / f".{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextmanager
    def making(self, name: str, key: str) -> Iterator[Path]:
        """An empty folder to make a component in; it becomes the entry when the block ends well, else it goes.

        Call it with the lock held: what a killed build left of this component is removed first.
        """
        for stale in self.root.glob(f".making-{name}-[0-9]*"):
            shutil.rmtree(stale)
        making = self.root / f".making-{name}-{os.getpid()}"
        making.mkdir()
        try:
            yield making
            making.rename(self.entry(name, key))
        finally:
            shutil.rmtree(making, ignore_errors=True)

    def prune(self, current: Mapping[str, str]) -> list[str]:
        """Remove all but the newest `KEEP` entries of each component in `current` (name: key); return their names."""
        removed = []
        for name, key in current.items():
            others = [path for path in self._entries(name) if path.name != f"{name}-{key}"]
            others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
            for path in others[KEEP - 1 :]:
                shutil.rmtree(path)
                removed.append(path.name)
        return removed

    def _entries(self, name: str) -> Iterable[Path]:
        return (path for path in self.root.glob(f"{name}-*") if path.name[: -len("-000000000000")] == name)

    def used(self, name: str, key: str) -> None:
        """Note that an entry is in use, so that pruning keeps it over older ones."""
        os.utime(self.entry(name, key))


def chosen(components: Mapping[str, Component], names: Sequence[str] | None) -> list[str]:
    """The components to build; None: all that a cluster runs on. EngineIncomplete where a name is not one."""
    for name in names or ():
        if name not in components:
            raise EngineIncomplete(f"`{name}` is no component of the engine. There are: {', '.join(components)}.")
    if names is None:
        return [name for name, component in components.items() if not component.optional]
    return list(dict.fromkeys(names))


def _make(store: Store, built: Built, folder: Path, go: Toolchain, shown: progress.Progress) -> None:
    component = built.component
    with store.locked(component.name):
        if built.directory.exists():
            return  # Another build made it while we waited.
        packages.ensure(component.debian)
        store.logs.mkdir(parents=True, exist_ok=True)
        log = store.logs / f"engine-{component.name}.log"
        log.write_text("")
        began = time.monotonic()
        with store.making(component.name, built.key) as into:
            engine_compile.make(component, folder, go, into, log, shown.tick)
            facts = {"name": component.name, "version": component.version, "go": go.version, "key": built.key}
            facts["seconds"] = str(round(time.monotonic() - began))
            (into / "component.json").write_text(json.dumps(facts, indent=2) + "\n")


def _survey(names: Sequence[str] | None, store: Store, root: Path) -> tuple[list[Built], Toolchain]:
    components = engine_components.load_all(root)
    wanted = chosen(components, names)
    go = engine_toolchain.find(root)
    result = []
    for name in wanted:
        key = engine_components.key(components[name], root / name, go.version)
        result.append(Built(components[name], store.entry(name, key), key))
    return result, go


def build(names: Sequence[str] | None = None, shown: progress.Progress | None = None) -> Engine:
    """Make what is missing of the named components, or of all; return the engine made of them.

    One of `FAILURES`; EngineIncomplete for an unknown name.
    """
    root = paths.source() / "engine"
    store = Store(paths.engine(), paths.logs())
    wanted, go = _survey(names, store, root)
    shown = shown or progress.for_terminal()
    missing = [built for built in wanted if not built.directory.exists()]
    shown.plan([built.component.name for built in missing])
    try:
        for built in missing:
            shown.start(built.component.name)
            _make(store, built, root / built.component.name, go, shown)
            shown.done(built.component.version)
    finally:
        shown.finish()
    for built in wanted:
        store.used(built.component.name, built.key)
    store.prune({built.component.name: built.key for built in wanted})
    return Engine({built.component.name: built for built in wanted})


def existing(names: Sequence[str] | None = None) -> Engine:
    """The engine as the cache holds it, without making anything. EngineIncomplete names what is missing."""
    wanted, _ = _survey(names, Store(paths.engine(), paths.logs()), paths.source() / "engine")
    if missing := [built.component.name for built in wanted if not built.directory.exists()]:
        raise EngineIncomplete(f"Not built yet: {', '.join(missing)}. Run `roost node build`.")
    return Engine({built.component.name: built for built in wanted})


def _stop(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main(arguments: Sequence[str]) -> int:
    """Build the named components, or all; 0 when they are there, 1 with the reason on standard error, 130 stopped."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        engine = build(arguments or None)
    except FAILURES as failed:
        print(failed.args[0], file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped. What is compiled stays; the same command goes on from here.", file=sys.stderr)
        return 130
    for name, built in engine.components.items():
        print(f"{name:<16}{built.component.version:<10}{built.directory}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
