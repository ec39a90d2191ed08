"""Building images as far as it needs no builder: pruning, commands, layouts; then a smoke run of every image."""

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from roost.node import engine, image_builder, image_roots, images
from roost.node.image_builder import Builder, Programs, Solve
from roost.node.image_recipe import Root, load_recipes
from roost.node.image_settings import ImageSettings
from roost.node.images import Image, Images
from roost.node.progress import Lines

ENDS = (".2.cdx.json", ".cdx.json", ".json", ".tar")


class Nothing:
    """An engine that must not be asked."""

    def path(self, program: str) -> Path:
        raise AssertionError(program)

    component_dir = path


def test_pruning_keeps_the_newest_two_of_a_name_and_nothing_of_a_name_that_is_gone(tmp_path: Path) -> None:
    for age, name in enumerate(["base-python-3.13-aa", "base-python-3.13-bb", "base-python-3.13-cc", "old-dd"]):
        for suffix in ENDS:
            path = tmp_path / (name + suffix)
            path.write_text("x")
            os.utime(path, (1000 - age, 1000 - age))
    (tmp_path / ".pause-killed").mkdir()
    for age, key in enumerate("abc"):
        (tmp_path / "roots" / f"trixie-{key}").mkdir(parents=True)
        os.utime(tmp_path / "roots" / f"trixie-{key}", (1000 - age, 1000 - age))
    gone = images.prune(tmp_path, {"base-python-3.13"})
    assert sorted(gone) == ["base-python-3.13-cc.tar", "old-dd.tar", "trixie-c"]
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        *(
            f"base-python-3.13-{key}{end}"
            for key in ("aa", "bb")
            for end in (".2.cdx.json", ".cdx.json", ".json", ".tar")
        ),
        "roots",
        "trixie-a",
        "trixie-b",
    ]


def test_an_unknown_image_is_refused_with_the_names_that_there_are() -> None:
    with pytest.raises(image_builder.BuildFailed, match=r"called nope\. There are: .*pause"):
        images.build(Nothing(), ["nope"], settings=ImageSettings(apt="http://m"))


def test_only_an_image_that_is_whole_and_called_as_today_is_found(tmp_path: Path) -> None:
    recipe = load_recipes()["pause"]
    shop = images.Workshop(
        engine=Nothing(),
        settings=ImageSettings(apt="http://m"),
        cache=tmp_path,
        recipes={"pause": recipe},
        keys={"pause": "k"},
        references={"pause": "roost.internal/pause:3.10.2"},
        progress=Lines(io.StringIO()),
    )
    archive, about = tmp_path / "pause-k.tar", tmp_path / "pause-k.json"
    assert shop.find("pause") is None
    archive.touch()
    assert shop.find("pause") is None
    about.write_text('{"reference": "roost.internal/pause:3.10.2", "digest": "sha256:0"}')
    found = shop.find("pause")
    assert found == Image("pause", "k", "roost.internal/pause:3.10.2", "sha256:0", archive)
    about.write_text('{"reference": "roost.internal/pause:3.9", "digest": "sha256:0"}')
    assert shop.find("pause") is None
    about.write_text("{")
    assert shop.find("pause") is None


def test_the_first_failure_ends_all_parts_and_is_the_one_that_is_told() -> None:
    def fail() -> None:
        raise image_builder.BuildFailed("two")

    out = io.StringIO()
    progress = Lines(out)
    progress.plan(["one", "two", "three"])
    with ThreadPoolExecutor(1) as pool, pytest.raises(image_builder.BuildFailed, match="two"):
        parts = {"one": pool.submit(lambda: None), "two": pool.submit(fail), "three": pool.submit(lambda: None)}
        images._follow(progress, pool, parts)
    assert "one done" in out.getvalue() and "three ..." not in out.getvalue()


def test_images_answer_by_name_and_offer_bases() -> None:
    base = Image(
        "base-debian", "k", "roost.internal/base-debian:k", "sha256:1", Path("/c/b-k.tar"), "base/debian:trixie"
    )
    pause = Image("pause", "k", "roost.internal/pause:3", "sha256:2", Path("/c/pause-k.tar"))
    found = Images({"pause": pause, "base-debian": base})
    assert (found.ref("pause"), found.digest("pause")) == ("roost.internal/pause:3", "sha256:2")
    assert found.archive("pause") == Path("/c/pause-k.tar") and pause.bill == Path("/c/pause-k.2.cdx.json")
    assert found.bases() == [(Path("/c/b-k.tar"), "base/debian:trixie")]


def test_a_tar_becomes_a_layout_whose_blobs_are_named_by_their_content(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "rootfs.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("empty"), io.BytesIO())
    image_roots.write_layout(tmp_path / "rootfs.tar", tmp_path)
    blobs = tmp_path / "blobs" / "sha256"
    for blob in blobs.iterdir():
        assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name
    manifest = json.loads((blobs / image_roots.layout_digest(tmp_path).removeprefix("sha256:")).read_text())
    config = json.loads((blobs / manifest["config"]["digest"].removeprefix("sha256:")).read_text())
    assert config["rootfs"]["diff_ids"] == [manifest["layers"][0]["digest"]]
    assert (
        manifest["layers"][0]["size"]
        == (blobs / config["rootfs"]["diff_ids"][0].removeprefix("sha256:")).stat().st_size
    )


def test_a_root_takes_the_sites_mirror_and_leaves_no_bundle_unless_it_is_baked(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("x")
    settings = ImageSettings(apt="https://site/debian", trust_bundle=bundle)
    command = image_roots.mmdebstrap_command(Root(suite="trixie", packages=("git",)), settings, tmp_path / "t.tar")
    assert command[-3:] == [str(tmp_path / "t.tar"), *settings.apt_lines("trixie")]
    assert "--include=ca-certificates,git" in command
    assert not [word for word in command if "update-ca-certificates" in word]
    baked = ImageSettings(apt="https://site/debian", trust_bundle=bundle, bake_trust=True)
    assert [word for word in image_roots.mmdebstrap_command(Root(suite="trixie"), baked, tmp_path) if "copy-in" in word]


def test_a_build_names_its_layouts_folders_and_secrets(tmp_path: Path) -> None:
    secrets = image_builder.write_secrets(ImageSettings(apt="x", pip="http://i", trust_bundle=Path("/none")), tmp_path)
    assert "index-url = http://i" in secrets["pip"].read_text() and "cert" not in secrets["pip"].read_text()
    builder = Builder(Programs(Path("/d"), Path("/buildctl"), Path("/r")), Path("/s.sock"), secrets)
    solve = Solve(Path("/f"), ("type=tar",), {"trixie": (Path("/l"), "sha256:0")}, {"engine": Path("/e")}, epoch=7)
    command = builder.command(solve, Path("/m"))
    assert command[:3] == ["/buildctl", "--addr", "unix:///s.sock"]
    for word in (
        "--oci-layout=trixie=/l",
        "--opt=context:trixie=oci-layout://trixie@sha256:0",
        "--opt=context:engine=local:engine",
        "--opt=build-arg:SOURCE_DATE_EPOCH=7",
        f"--secret=id=trust,src={secrets['trust']}",
        "--output=type=tar",
    ):
        assert word in command
    assert "--no-cache" not in command


def test_a_root_that_cannot_be_made_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    program = tmp_path / "mmdebstrap"
    program.write_text("#!/bin/sh\necho no such suite >&2\nexit 3\n")
    program.chmod(0o755)
    settings = ImageSettings(apt="http://m/debian", trust_bundle=Path("/none"))
    target = tmp_path / "roots" / "trixie-k"
    with pytest.raises(image_roots.RootFailed, match=r"exit 3.*\nno such suite"):
        image_roots.make_root(Root(suite="trixie"), settings, target, {"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert list((tmp_path / "roots").iterdir()) == []


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Builder]:
    made = engine.existing(["buildkit", "runc"])
    programs = Programs(made.path("buildkitd"), made.path("buildctl"), made.path("runc"))
    with image_builder.started(
        programs, ImageSettings.read(os.environ), tmp_path_factory.mktemp("buildkit")
    ) as running:
        yield running


@pytest.mark.integration
@pytest.mark.parametrize("name", list(load_recipes()))
def test_the_smoke_command_runs_in_the_image(builder: Builder, name: str) -> None:
    built = images.build(engine.existing(images.components([name])), [name])
    images.smoke(builder, built.images[name], load_recipes()[name])
    assert json.loads(built.images[name].bill.read_text())["components"]


@pytest.mark.integration
def test_a_command_that_fails_in_an_image_is_told(builder: Builder) -> None:
    built = images.build(engine.existing(images.components(["pause"])), ["pause"])
    recipe = load_recipes()["pause"].model_copy(update={"smoke": ("/pause", "--no-such-option")})
    with pytest.raises(image_builder.BuildFailed, match="no-such-option"):
        images.smoke(builder, built.images["pause"], recipe)
