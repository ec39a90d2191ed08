"""A ready image: what a tag names elsewhere is copied into the project's repository of the registry, and a commit of
the hosted repository says so.
"""

import platform
import time
from pathlib import Path
from typing import Final

from roost.adapters.image_source import Found, ImageFailed, ImageSource, Login
from roost.adapters.registry import Registry, over_tls
from roost.builds.sources.bench import FetchFailed, Place, commit_all, hosted_commit, push, run, settings
from roost.model import ready_image
from roost.model.fetch_task import REGISTRY_TOKEN, FetchReport, FetchTask
from roost.model.ready_image import IMAGE_FILE, ReadyImage

ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}


def look(task: FetchTask, place: Place) -> FetchReport:
    """Copy what the image's name stands for now, unless the hosted branch says that it was the last."""
    host, repository, reference = ready_image.split(task.image)
    own = host == task.registry
    login = Login(place.secret("username"), place.secret("password"))
    if own:
        login = Login(bearer=place.own(REGISTRY_TOKEN))
    trust = place.trust / "ca.crt" if own else Path(place.bundle())
    folder = place.work / "hosted.git"
    head = hosted_commit(task, place, folder)
    try:
        with ImageSource((host, repository), login, trust, "" if own else task.proxy) as source:
            machine = platform.machine()
            found = source.find(reference, ARCHITECTURES.get(machine, machine))
            if head and _stands(place, folder, head) == found.digest:
                return FetchReport(ok=True, commit=head, digest=found.digest, moved=False)
            _copy(task, place, source, found)
    except ImageFailed as error:
        raise FetchFailed(error.reason, str(error)) from error
    tree = place.work / "tree"
    tree.mkdir()
    said = ReadyImage(digest=found.digest, source=task.image, named=found.named)
    (tree / IMAGE_FILE).write_text(said.text())
    message = f"{task.image} is {found.digest[:19]}\n"
    commit = commit_all(place, folder, tree, head, ("Roost", "", message))
    push(task, place, folder, commit)
    return FetchReport(ok=True, commit=commit, digest=found.digest, moved=True)


def _stands(place: Place, folder: Path, head: str) -> str:
    """The digest that a commit stands for; empty: none."""
    names = ["git", "-C", str(folder), "ls-tree", "--name-only", head, "--", IMAGE_FILE]
    if not run(place, names, settings([]), "Reading a commit").strip():
        return ""
    show = ["git", "-C", str(folder), "show", f"{head}:{IMAGE_FILE}"]
    found = ready_image.read(run(place, show, settings([]), "Reading a commit"))
    return found.digest if found else ""


def _copy(task: FetchTask, place: Place, source: ImageSource, found: Found) -> None:
    """All that the image needs stands in the project's repository. RegistryFailed: the pod is tried again."""
    target = f"{task.tenant}/{task.project}"
    connect = over_tls(task.registry, str(place.trust / "ca.crt"))
    registry = Registry(connect, place.own(REGISTRY_TOKEN), time.sleep)
    kept = place.work / "blob"
    try:
        for blob in found.blobs:
            if registry.send("HEAD", f"/v2/{target}/blobs/{blob.digest}").status != 200:
                source.save(blob, kept)
                registry.put_file(target, kept, "application/octet-stream")
        for reference in (found.digest, f"from-{found.digest.removeprefix('sha256:')[:12]}"):
            path = f"/v2/{target}/manifests/{reference}"
            done = registry.send("PUT", path, found.content, Content_Type=found.media_type)
            if done.status != 201:
                raise FetchFailed("Refused", f"Our registry does not take the image: it answered {done.status}.")
    finally:
        kept.unlink(missing_ok=True)
        registry.close()
