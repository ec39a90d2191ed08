"""A key changes with anything that the image is made of, and with nothing else."""

from pathlib import Path

import pytest

from roost.node import image_keys
from roost.node.image_recipe import load_recipes
from roost.node.image_settings import ImageSettings

IMAGE = """\
summary: An image for a test.
user: '1'
roots: [trixie]
engine: [etcd, cilium/bpf]
checkout: [src]
smoke: ['true']
"""


class Place:
    """A folder of recipes, an engine and a checkout."""

    def __init__(self, root: Path) -> None:
        self.root, self.images = root, root / "images"
        for path, text in {
            "images/roots.yaml": "trixie: {suite: trixie}\n",
            "images/thing/image.yaml": IMAGE,
            "images/thing/Containerfile": "FROM trixie\n",
            "engine/etcd": "program",
            "engine/cilium/bpf/bpf_lxc.c": "int x;",
            "src/roost.py": "pass\n",
            "src/tests/test_roost.py": "pass\n",
            "ca.pem": "one",
        }.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        self.settings = ImageSettings(apt="http://m/debian", trust_bundle=root / "ca.pem")

    def key(self, settings: ImageSettings | None = None) -> str:
        recipes = load_recipes(self.images)
        found = image_keys.keys(
            recipes,
            lambda item: self.root / "engine" / item,
            settings or self.settings,
            self.root / "memo.json",
            self.images,
            self.root,
        )
        assert list(found) == ["thing"]
        return found["thing"]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.parametrize(
    "path",
    ["images/thing/Containerfile", "engine/etcd", "engine/cilium/bpf/bpf_lxc.c", "src/roost.py", "src/new.py"],
)
def test_a_change_of_content_changes_the_key(place: Place, path: str) -> None:
    before = place.key()
    (place.root / path).write_text("something else\n")
    assert place.key() != before


def test_a_program_that_can_be_executed_is_another_one(place: Place) -> None:
    before = place.key()
    (place.root / "src" / "roost.py").chmod(0o755)
    assert place.key() != before


def test_a_mirror_and_a_baked_bundle_change_the_key_and_a_bundle_only_used_does_not(place: Place) -> None:
    before = place.key()
    assert place.key(ImageSettings(apt="http://other/debian", trust_bundle=place.root / "ca.pem")) != before
    baked = ImageSettings(apt="http://m/debian", trust_bundle=place.root / "ca.pem", bake_trust=True)
    first = place.key(baked)
    assert first != before
    (place.root / "ca.pem").write_text("two")
    assert place.key(baked) != first and place.key() == before


def test_tests_and_times_do_not_change_the_key(place: Place) -> None:
    before = place.key()
    (place.root / "src" / "tests" / "test_roost.py").write_text("assert False\n")
    (place.root / "src" / "roost.py").touch()
    (place.root / "engine" / "etcd").touch()
    assert place.key() == before


def test_a_broken_memo_costs_time_only(place: Place) -> None:
    before = place.key()
    (place.root / "memo.json").write_text("{")
    assert place.key() == before


def test_something_that_is_missing_is_named(place: Place) -> None:
    (place.root / "src" / "roost.py").unlink()
    (place.root / "src" / "tests" / "test_roost.py").unlink()
    (place.root / "src" / "tests").rmdir()
    (place.root / "src").rmdir()
    with pytest.raises(FileNotFoundError, match="src"):
        place.key()
