"""What is generated is what the models say: `make gen` leaves no difference."""

import pytest
import yaml

from roost.kernel.discovery import kinds
from roost.mains import generate
from roost.model.resource import Resource
from roost.model.schema import definition, fields

FILES = generate.files()


@pytest.mark.parametrize("path", FILES)
def test_a_generated_file_is_up_to_date(path: str) -> None:
    target = generate.ROOT / path
    assert target.exists(), f"{path} is missing: run `make gen`"
    assert target.read_text() == FILES[path], f"{path} is old: run `make gen`"


def test_no_file_of_a_kind_that_is_no_more_is_left() -> None:
    assert generate.stale() == []


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.KIND)
def test_every_field_of_a_spec_says_what_it_is_and_has_a_bound(kind: type[Resource]) -> None:
    schema = yaml.safe_load(yaml.safe_dump(definition(kind)))["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for path, field, _ in fields(schema["properties"]["spec"]):
        if field["type"] == "string":
            assert "maxLength" in field or "enum" in field, path
        if field["type"] == "array":
            assert "maxItems" in field, path
