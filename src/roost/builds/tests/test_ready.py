"""Runs of a ready image: nothing is built, and what the commit names must stand in the project's own repository."""

import json
from pathlib import Path

import pytest

from roost.adapters.registry import MANIFEST, digest_of
from roost.adapters.tests.memory_registry import MemoryRegistry
from roost.builds import ready
from roost.builds.bench import Bench, StepFailed
from roost.builds.work import Work
from roost.model.build_task import Task
from roost.model.ready_image import IMAGE_FILE, ReadyImage, allowed, split

CONFIG = json.dumps({"config": {"User": "1000", "ExposedPorts": {"8000/tcp": {}}}}).encode()


@pytest.fixture
def work(tmp_path: Path) -> tuple[Work, str]:
    """A run of a commit that names an image which is there, and its digest."""
    memory = MemoryRegistry()
    registry = memory.registry()
    registry.put_blob("acme/wiki", CONFIG)
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest_of(CONFIG), "size": len(CONFIG)}
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": []}
    digest = str(registry.put_manifest("acme/wiki", "", manifest)["digest"])
    task = Task.model_validate(
        {
            "tenant": "acme",
            "project": "wiki",
            "commit": "a" * 40,
            "attempt": 1,
            "gitUrl": "http://git",
            "registry": "registry:5000",
            "builder": "tcp://builder:1234",
            "timeoutS": 60,
        }
    )
    made = Work(task, Bench(tmp_path, tmp_path, tmp_path, lambda line: None))
    made.context = tmp_path
    made.__dict__["store"] = registry
    return made, digest


def test_the_image_of_the_commit_is_what_was_built(work: tuple[Work, str]) -> None:
    made, digest = work
    said = ReadyImage(digest=digest, source="registry.example.org/team/wiki:stable")
    (made.context / IMAGE_FILE).write_text(said.text())
    ready.take(made)
    assert made.digest == digest and made.config["User"] == "1000" and made.found is not None


@pytest.mark.parametrize("text", ["", "{}", '{"digest": "latest", "source": "x"}', "[" * 10_000])
def test_a_commit_that_names_none_fails_and_says_so(work: tuple[Work, str], text: str) -> None:
    made, _ = work
    (made.context / IMAGE_FILE).write_text(text)
    with pytest.raises(StepFailed) as failed:
        ready.take(made)
    assert failed.value.reason == "ImageMissing"


def test_an_image_that_is_gone_fails_and_says_what_to_do(work: tuple[Work, str]) -> None:
    made, _ = work
    said = ReadyImage(digest="sha256:" + "0" * 64, source="registry.example.org/team/wiki:stable")
    (made.context / IMAGE_FILE).write_text(said.text())
    with pytest.raises(StepFailed, match="roost source fetch"):
        ready.take(made)


@pytest.mark.parametrize(
    ("image", "registries", "is_allowed"),
    [
        ("registry.example.org/team/wiki:1", ("registry.example.org",), True),
        ("registry.example.org/team/wiki:1", ("registry.example.org/team",), True),
        ("registry.example.org/team/wiki:1", ("registry.example.org/tea",), False),
        ("registry.example.org/teams/wiki:1", ("registry.example.org/team",), False),
        ("registry.example.org.evil.org/x:1", ("registry.example.org",), False),
        ("registry.example.org:5000/x:1", ("registry.example.org",), False),
        ("registry.example.org/x:1", (), False),
    ],
)
def test_a_registry_counts_by_whole_names(image: str, registries: tuple[str, ...], is_allowed: bool) -> None:
    assert allowed(image, registries) is is_allowed


def test_an_image_is_taken_apart() -> None:
    digest = "sha256:" + "a" * 64
    assert split("r.example.org:5000/a/b:1") == ("r.example.org:5000", "a/b", "1")
    assert split(f"r.example.org/a/b:1@{digest}") == ("r.example.org", "a/b", digest)
    assert split("r.example.org/b") == ("r.example.org", "b", "latest")
