"""What detection counts on and what the image recipes make are the same."""

from roost.builds import node_version
from roost.model.bases import OFFERED
from roost.node.image_recipe import load_recipes


def test_what_is_offered_is_what_the_recipes_make() -> None:
    recipes = [recipe for recipe in load_recipes().values() if recipe.offered]
    assert sorted(recipe.offered for recipe in recipes) == sorted(OFFERED)


def test_the_versions_of_node_are_those_of_the_images() -> None:
    recipes = load_recipes()
    for major, version in node_version.HELD.items():
        assert recipes[f"base-node-{major}"].arguments["VERSION"] == ".".join(map(str, version))
