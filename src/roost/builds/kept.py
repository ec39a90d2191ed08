"""What is kept of a run's steps in the registry, in the project's own repository: artefacts, caches, checkpoints.

    artefacts-<run>-<step>      the files that the step names, for people
    cache-<rights>-<digest>     what a step finds again in the project's next run; a run with reduced rights has
                                its own, so what it leaves there never meets a run of the project's branch
    checkpoint-<run>-<n>        the workspace and the steps' home after n steps: one layer for each step that changed
                                something, with what it changed. Before the first step that is the commit itself.

Contents are packed and unpacked by `roost.builds.tree`, which leads out of no folder.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from roost.adapters.registry import RegistryFailed
from roost.builds import junit, tree
from roost.builds.bench import StepFailed
from roost.builds.tree import Entry, TreeRefused, TreeTooLarge
from roost.builds.work import Work
from roost.model.kept import ARTEFACTS, CACHE, CHECKPOINT
from roost.model.names import short_digest
from roost.model.pipeline import Step

LAYER: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
MOST_ARTEFACTS: Final = 256 << 20  # Bytes of files.
MOST_CACHE: Final = 1 << 30
MOST_CHECKPOINT: Final = 1 << 30  # Of all layers together.
REMOVED: Final = "removed.json"
BYTES: Final = "dev.roost.bytes"  # Annotation of a layer: bytes of the files in it.
WORKSPACE: Final = "workspace/"
HOME: Final = "home/"
_AT_HOME: Final = "~/"

Seen = dict[str, Entry]


def artefacts_tag(run: str, step: str) -> str:
    """Where a step's artefacts are."""
    return f"artefacts-{run}-{step}"


def checkpoint_tag(run: str, steps: int) -> str:
    """Where the workspace after so many steps is."""
    return f"checkpoint-{run}-{steps}"


def cache_tag(rights: str, step: Step) -> str:
    """Where a step's cache is; other paths are another cache."""
    return f"cache-{rights}-{short_digest(step.name, *step.cache, length=16)}"


class Keeper:
    """Keeps for one run. What cannot be kept is told and never fails a step that went well."""

    def __init__(self, work: Work) -> None:
        assert work.bench.shared is not None
        self._work = work
        self._roots = {WORKSPACE: work.bench.shared.workspace, HOME: work.bench.shared.home}
        self._layers: list[dict[str, Any]] = []
        self._packed = 0
        self._broken = ""
        self._cached: dict[str, str] = {}
        self._cached_paths = tuple(path for step in work.task.pipeline.steps for path in step.cache)
        self._seen = self._try("Checkpoints", self._look) or {}

    def _try(self, what: str, do: Callable[[], Any]) -> Any:
        """Its answer, or None where it could not be done, which is told."""
        try:
            return do()
        except (TreeTooLarge, TreeRefused, RegistryFailed, tarfile.TarError, OSError, EOFError) as error:
            self._work.bench.say(f"-----> {what}: not kept, {error}"[:400])
            return None

    def _look(self) -> dict[str, Seen]:
        """Everything that steps may change, but for caches."""
        found: dict[str, Seen] = {}
        for prefix, root in self._roots.items():
            patterns = _patterns(self._cached_paths, prefix)
            found[prefix] = {
                entry.path: entry
                for entry in tree.entries(root)
                if not patterns or not tree.matches(entry.path, patterns)
            }
        return found

    # Artefacts

    def keep_artefacts(self, step: Step) -> None:
        """Store the files that a step names."""
        self._try("Artefacts", lambda: self._artefacts(step))

    def _artefacts(self, step: Step) -> None:
        chosen = {WORKSPACE: [entry for entry in tree.entries(self._roots[WORKSPACE]) if _named(entry, step.artefacts)]}
        files = [entry for entry in chosen[WORKSPACE] if entry.kind == "file"]
        if not files:
            self._work.bench.say("-----> Artefacts: there is nothing of that name")
            return
        layer, _ = self._packet("artefacts", chosen, MOST_ARTEFACTS, bare=True)
        self._work.store.put_layers(self._work.own, ARTEFACTS, [layer], artefacts_tag(self._work.task.run, step.name))
        self._work.bench.say(f"-----> Artefacts: {len(files)} files, {sum(item.size for item in files) >> 10} KiB")

    # Tests

    def keep_tests(self) -> None:
        """Store what all tests of the run said so far."""
        content = self._work.results.model_dump_json(by_alias=True).encode()
        tag = junit.tag(self._work.task.run)
        self._try("Test results", lambda: self._work.store.put_artefact(self._work.own, junit.KIND, content, tag=tag))

    # Caches

    def restore_cache(self, step: Step) -> None:
        """Put in place what an earlier run of this step left."""
        if step.cache:
            self._try("Cache", lambda: self._restore(step))

    def _restore(self, step: Step) -> None:
        manifest = self._work.store.manifest(self._work.own, cache_tag(self._work.task.rights, step)) or {}
        for layer in _layers(manifest):
            self._unpack(str(layer["digest"]), MOST_CACHE)
        self._cached[step.name] = _digest(self._cache(step))

    def _cache(self, step: Step) -> dict[str, list[Entry]]:
        chosen = {}
        for prefix, root in self._roots.items():
            patterns = _patterns(step.cache, prefix)
            chosen[prefix] = [entry for entry in tree.entries(root) if _named(entry, patterns)] if patterns else []
        return chosen

    def keep_cache(self, step: Step) -> None:
        """Store it, where the step changed it."""
        if step.cache:
            self._try("Cache", lambda: self._store_cache(step))

    def _store_cache(self, step: Step) -> None:
        chosen = self._cache(step)
        if _digest(chosen) == self._cached.get(step.name):
            return
        layer, size = self._packet("cache", chosen, MOST_CACHE)
        self._work.store.put_layers(self._work.own, CACHE, [layer], cache_tag(self._work.task.rights, step))
        self._work.bench.say(f"-----> Cache: {size >> 10} KiB kept")

    # Checkpoints

    def checkpoint(self, place: int) -> None:
        """Store the workspace after the step at `place`."""
        if self._broken:
            return
        if self._try("Checkpoint", lambda: self._checkpoint(place)) is None:
            self._broken = "told"

    def _checkpoint(self, place: int) -> bool:
        now = self._look()
        changed: dict[str, list[Entry]] = {}
        removed: dict[str, list[str]] = {}
        for prefix, found in now.items():
            before = self._seen.get(prefix, {})
            changed[prefix] = [entry for path, entry in found.items() if _differs(before.get(path), entry)]
            removed[prefix] = [
                path for path, entry in before.items() if path not in found or found[path].kind != entry.kind
            ]
        if any(changed.values()) or any(removed.values()):
            layer, size = self._packet("checkpoint", changed, MOST_CHECKPOINT - self._packed, removed)
            self._packed += size
            self._layers.append(layer)
        self._seen = now
        tag = checkpoint_tag(self._work.task.run, place + 1)
        self._work.store.put_layers(self._work.own, CHECKPOINT, self._layers, tag)
        return True

    def resume(self, steps: int) -> None:
        """Bring the workspace to where it was in the run that this one repeats, after so many steps. StepFailed."""
        task = self._work.task
        tag = checkpoint_tag(task.origin, steps)
        manifest = self._work.store.manifest(self._work.own, tag)
        if manifest is None or manifest.get("artifactType") != CHECKPOINT:
            words = (
                f"The workspace of {task.origin} before {task.start_at} is not kept, or no longer. "
                f"Run all of it: `roost build rerun {task.origin}`."
            )
            raise StepFailed("CheckpointGone", words)
        try:
            for layer in _layers(manifest):
                self._removals(layer)
                self._unpack(str(layer["digest"]), MOST_CHECKPOINT)
                self._layers.append({key: layer[key] for key in ("mediaType", "digest", "size", "annotations")})
                self._packed += int(layer["annotations"][BYTES])
        except (TreeRefused, TreeTooLarge, tarfile.TarError, OSError, EOFError, KeyError, ValueError) as error:
            raise StepFailed("CheckpointWrong", f"The workspace of {task.origin} cannot be read: {error}") from error
        self._seen = self._try("Checkpoints", self._look) or {}

    def _removals(self, layer: Mapping[str, Any]) -> None:
        with self._work.store.blob(self._work.own, str(layer["digest"])) as stream:
            for prefix, paths in _removed(stream).items():
                tree.remove(self._roots[prefix], paths)

    # Packets

    def _packet(
        self,
        name: str,
        chosen: Mapping[str, Iterable[Entry]],
        limit: int,
        removed: Mapping[str, list[str]] | None = None,
        *,
        bare: bool = False,
    ) -> tuple[dict[str, Any], int]:
        """A gzipped archive, uploaded: its descriptor, and the bytes of its files. `bare`: paths without the folder."""
        path = self._work.bench.work / f"{name}.tar.gz"
        total = 0
        try:
            with tarfile.open(path, "w:gz", compresslevel=1, format=tarfile.PAX_FORMAT) as archive:
                if removed is not None:
                    text = json.dumps(removed).encode()
                    member = tarfile.TarInfo(REMOVED)
                    member.size = len(text)
                    archive.addfile(member, io.BytesIO(text))
                for prefix, items in chosen.items():
                    total += tree.pack(self._roots[prefix], items, archive, limit - total, "" if bare else prefix)
            layer = self._work.store.put_file(self._work.own, path, LAYER)
        finally:
            path.unlink(missing_ok=True)
        return layer | {"annotations": {BYTES: str(total)}}, total

    def _unpack(self, digest: str, limit: int) -> None:
        with self._work.store.blob(self._work.own, digest) as stream:
            tree.unpack(stream, self._roots, limit)


def _layers(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Its archives; an artefact without any holds an empty one in their place."""
    return [layer for layer in manifest.get("layers") or () if layer.get("mediaType") == LAYER]


def _named(entry: Entry, patterns: Iterable[str]) -> bool:
    return tree.matches(entry.path, patterns)


def _patterns(paths: Iterable[str], prefix: str) -> tuple[str, ...]:
    """Those of the paths that lie in the workspace, or (`~/...`) in the home."""
    at_home = prefix == HOME
    return tuple(path.removeprefix(_AT_HOME) for path in paths if path.startswith(_AT_HOME) == at_home)


def _differs(before: Entry | None, now: Entry) -> bool:
    """Folders are there or not, and have a mode; all else has changed when its stamp has."""
    if before is None or before.kind != now.kind:
        return True
    return before.mode != now.mode if now.kind == "folder" else before.stamp != now.stamp or before.mode != now.mode


def _digest(chosen: Mapping[str, Iterable[Entry]]) -> str:
    told = hashlib.sha256()
    for prefix, items in chosen.items():
        for entry in items:
            if entry.kind != "folder":
                told.update(f"{prefix}{entry.path}\0{entry.stamp}\0".encode("utf-8", "surrogateescape"))
    return told.hexdigest()


def _removed(stream: Any) -> dict[str, list[str]]:
    """The paths that a layer takes away; it is the first member of the archive."""
    with tarfile.open(fileobj=stream, mode="r|gz") as archive:
        first = archive.next()
        if first is None or first.name != REMOVED or not first.isreg() or first.size > 64 << 20:
            return {}
        file = archive.extractfile(first)
        loaded = json.loads(file.read()) if file is not None else {}
    return {prefix: [str(path) for path in loaded.get(prefix, ())] for prefix in (WORKSPACE, HOME)}
