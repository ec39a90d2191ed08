"""Models become structural schemas."""

from typing import ClassVar, Literal

import pytest
from pydantic import Field

from roost.model.resource import Model, Resource, StatusModel
from roost.model.schema import NotStructural, definition, fields, part


class Inner(Model):
    """A part."""

    name: str = Field(max_length=5, pattern="^a+$", description="Its   name.")
    size_mib: int | None = Field(None, ge=1, le=9, description="Mebibytes.")


class Spec(Model):
    """What is wanted."""

    kind_of: Literal["x", "y"] = "x"
    only: Literal["z"] = "z"
    inner: Inner = Inner(name="aa")
    many: tuple[Inner, ...] = Field((), max_length=3)
    words: tuple[str, ...] = ()
    labels: dict[str, str] = Field(default_factory=dict)


class Status(StatusModel):
    """What is."""

    phase: Literal["Up", "Down"] | None = None
    inner: Inner | None = None


class Thing(Resource):
    """A thing."""

    KIND: ClassVar[str] = "Thing"
    PLURAL: ClassVar[str] = "things"
    NAMESPACED: ClassVar[bool] = False
    SHORT_NAMES: ClassVar[tuple[str, ...]] = ("th",)
    COLUMNS: ClassVar[tuple[tuple[str, str, str], ...]] = (("Phase", ".status.phase", "string"),)
    RULES: ClassVar[tuple[tuple[str, str], ...]] = (("self.spec.only == 'z'", "It must be z."),)

    spec: Spec = Spec()
    status: Status = Status()


def test_a_definition_says_what_the_kind_says() -> None:
    made = definition(Thing)
    assert made["metadata"]["name"] == "things.roost.dev"
    assert made["spec"]["scope"] == "Cluster" and made["spec"]["names"]["shortNames"] == ["th"]
    version = made["spec"]["versions"][0]
    assert version["subresources"] == {"status": {}}
    assert version["additionalPrinterColumns"] == [{"name": "Phase", "jsonPath": ".status.phase", "type": "string"}]
    schema = version["schema"]["openAPIV3Schema"]
    assert schema["x-kubernetes-validations"] == [{"rule": "self.spec.only == 'z'", "message": "It must be z."}]
    assert schema["properties"]["spec"]["default"] == {} and "required" not in schema


def test_a_spec_has_defaults_and_bounds_and_no_null() -> None:
    properties = part(Thing, "spec")["properties"]
    assert properties["kindOf"] == {"type": "string", "enum": ["x", "y"], "default": "x"}
    assert properties["only"] == {"type": "string", "enum": ["z"], "default": "z"}
    inner = properties["inner"]
    assert inner["default"] == {"name": "aa"} and inner["required"] == ["name"]
    assert inner["properties"]["sizeMib"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 9,
        "description": "Mebibytes.",
    }
    assert inner["properties"]["name"]["description"] == "Its name."
    assert properties["many"]["maxItems"] == 3 and properties["many"]["items"]["type"] == "object"
    assert properties["words"]["maxItems"] and properties["words"]["items"]["maxLength"]
    assert properties["labels"]["additionalProperties"]["maxLength"] and properties["labels"]["maxProperties"]


def test_a_status_has_no_defaults_and_conditions_are_a_map() -> None:
    status = part(Thing, "status")
    assert all("default" not in field for _, field, _ in fields(status))
    conditions = status["properties"]["conditions"]
    assert conditions["x-kubernetes-list-type"] == "map" and conditions["x-kubernetes-list-map-keys"] == ["type"]
    assert status["properties"]["phase"]["enum"] == ["Up", "Down"]


def test_fields_are_listed_with_their_paths() -> None:
    paths = {path: required for path, _, required in fields(part(Thing, "spec"))}
    assert paths["inner.name"] is True and paths["many[].sizeMib"] is False and "labels" in paths


def test_what_kubernetes_cannot_express_is_refused() -> None:
    class Odd(Model):
        either: int | str = 1

    class OddThing(Resource):
        KIND: ClassVar[str] = "OddThing"
        PLURAL: ClassVar[str] = "oddthings"
        spec: Odd = Odd()

    with pytest.raises(NotStructural, match=r"OddThing\.spec\.either"):
        part(OddThing, "spec")
