"""The recipes in `images/`, and what is refused of a recipe."""

from pathlib import Path

import pytest

from roost.node.image_recipe import FOLDER, RecipeInvalid, load_recipes, load_roots

GOOD = "summary: An image for a test.\nuser: '1:1'\nroots: [trixie]\nsmoke: ['true']\n"


def folder(tmp_path: Path, image: str) -> Path:
    (tmp_path / "roots.yaml").write_text("trixie: {suite: trixie}\n")
    (tmp_path / "thing").mkdir()
    (tmp_path / "thing" / "image.yaml").write_text(image)
    (tmp_path / "thing" / "Containerfile").write_text("FROM trixie\n")
    return tmp_path


def test_a_recipe_is_named_by_its_folder(tmp_path: Path) -> None:
    recipes = load_recipes(folder(tmp_path, GOOD))
    assert list(recipes) == ["thing"] and recipes["thing"].roots == ("trixie",)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (GOOD.replace("'1:1'", "'0'"), "root_reason"),
        (GOOD + "root_reason: It wants to.\n", "root_reason"),
        (GOOD.replace("[trixie]", "[sid]"), "no root file system is called sid"),
        (GOOD + "roof: flat\n", "roof"),
        (GOOD.replace("smoke: ['true']", ""), "smoke"),
        ("- a list\n", "image.yaml"),
        ("a: [", "image.yaml"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_file_and_the_reason(tmp_path: Path, image: str, said: str) -> None:
    with pytest.raises(RecipeInvalid, match=said):
        load_recipes(folder(tmp_path, image))


def test_a_folder_makes_one_image_for_each_of_its_versions(tmp_path: Path) -> None:
    body = GOOD.replace("[trixie]", '["@ROOT@"]') + "offered: base/thing:@tag@\nversions: {'1': {ROOT: trixie}}\n"
    recipes = load_recipes(folder(tmp_path, body))
    assert list(recipes) == ["thing-1"]
    made = recipes["thing-1"]
    assert (made.folder, made.offered, made.roots, made.arguments) == (
        "thing",
        "base/thing:1",
        ("trixie",),
        {"ROOT": "trixie"},
    )


def test_a_recipe_without_a_containerfile_is_refused(tmp_path: Path) -> None:
    place = folder(tmp_path, GOOD)
    (place / "thing" / "Containerfile").unlink()
    with pytest.raises(RecipeInvalid, match="no Containerfile"):
        load_recipes(place)


def test_every_image_of_ours_says_who_it_runs_as_in_both_files_and_takes_nothing_from_outside() -> None:
    for name, recipe in load_recipes().items():
        text = (FOLDER / recipe.folder / "Containerfile").read_text()
        for key, value in recipe.arguments.items():
            text = text.replace(f"${{{key}}}", value)
        lines = text.splitlines()
        users = [line.split()[1] for line in lines if line.startswith("USER ")]
        assert users[-1:] == ([] if recipe.root_reason else [recipe.user]), name
        bases = [line.split()[1] for line in lines if line.startswith("FROM ")]
        stages = [line.split()[3] for line in lines if line.startswith("FROM ") and " AS " in line]
        assert set(bases) <= {"scratch", *recipe.roots, *stages}, name


def test_every_image_that_runs_as_root_stands_with_its_reason_in_the_readme() -> None:
    readme = (FOLDER / "README.md").read_text()
    for name, recipe in load_recipes().items():
        if recipe.root_reason:
            assert f"| `{name}` | {recipe.root_reason} |" in readme


def test_root_file_systems_are_debian_suites() -> None:
    assert {name: root.suite for name, root in load_roots().items()} == {"trixie": "trixie", "bookworm": "bookworm"}
