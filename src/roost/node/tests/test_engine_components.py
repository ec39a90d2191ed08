"""Declarations of components, and keys: they change with what a component is made of, and with nothing else."""

from pathlib import Path

import pytest

from roost.node import paths
from roost.node.engine_components import Component, DeclarationWrong, key, load, load_all, module_version

GO = "go1.26.8 linux/amd64"
DECLARED = """
about = "A tool."
kind = "go"
module = "example.org/tool/v2"
[programs]
tool = "."
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "tool"
    made.mkdir()
    (made / "component.toml").write_text(DECLARED)
    (made / "go.mod").write_text("module x\n\ngo 1.26\n\nrequire example.org/tool/v2 v2.3.4 // indirect\n")
    (made / "go.sum").write_text("example.org/tool/v2 v2.3.4 h1:abc=\n")
    (made / "main.go").write_text("package main\n")
    return made


def made_key(folder: Path, go: str = GO) -> str:
    return key(load(folder), folder, go)


def test_the_version_comes_from_go_mod(folder: Path) -> None:
    assert load(folder).version == "v2.3.4"
    assert module_version("require (\n\texample.org/tool/v2 v2.0.0\n)\n", "example.org/tool/v2") == "v2.0.0"
    assert module_version("require example.org/tool/v2/api v9.0.0\n", "example.org/tool/v2") == ""


@pytest.mark.parametrize("name", ["go.mod", "go.sum", "main.go", "local/go.mod", "local/more.go"])
def test_a_changed_source_changes_the_key(folder: Path, name: str) -> None:
    before = made_key(folder)
    (folder / name).parent.mkdir(exist_ok=True)
    with (folder / name).open("a") as file:
        file.write("// changed\n")
    assert made_key(folder) != before


def test_a_changed_flag_or_compiler_changes_the_key(folder: Path) -> None:
    before = made_key(folder)
    assert made_key(folder, "go1.26.9 linux/amd64") != before
    (folder / "component.toml").write_text(DECLARED.replace('kind = "go"', 'kind = "go"\ntags = ["small"]'))
    assert made_key(folder) != before


def test_words_about_a_component_do_not_change_the_key(folder: Path) -> None:
    before = made_key(folder)
    (folder / "component.toml").write_text("# Why.\n" + DECLARED.replace("A tool.", "A good tool."))
    (folder / "README.md").write_text("more")
    assert made_key(folder) == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (DECLARED.replace("[programs]\n", "").replace('tool = "."\n', ""), "kind go needs `programs`"),
        (DECLARED.replace('kind = "go"', 'kind = "rust"'), "kind"),
        (DECLARED.replace('kind = "go"', 'kind = "go"\ncolour = 1'), "colour"),
        (DECLARED.replace("example.org/tool/v2", "example.org/other"), "needs `version`"),
        ("kind =", "component.toml"),
    ],
)
def test_a_wrong_declaration_names_file_and_field(folder: Path, text: str, said: str) -> None:
    (folder / "component.toml").write_text(text)
    with pytest.raises(DeclarationWrong) as wrong:
        load(folder)
    assert said in str(wrong.value)
    assert "component.toml" in str(wrong.value)


def test_a_missing_go_mod_is_named(folder: Path) -> None:
    (folder / "go.mod").unlink()
    with pytest.raises(DeclarationWrong, match=r"go\.mod is missing"):
        load(folder)


def test_every_component_of_this_checkout_is_declared_rightly() -> None:
    root = paths.source() / "engine"
    components = load_all(root)
    assert {folder.name for folder in root.iterdir() if folder.is_dir()} == set(components)
    names = [name for component in components.values() for name in component.names]
    assert len(names) == len(set(names)), "two components have a program of the same name"


@pytest.mark.parametrize(
    "variable", ["gitVersion", "containerd/v2/version.Version", "BuildVersion", "buildkit/version"]
)
def test_versions_told_to_the_linker_are_those_of_go_mod(variable: str) -> None:
    components: list[Component] = list(load_all(paths.source() / "engine").values())
    told = [
        (component.version, value)
        for component in components
        for name, value in component.variables.items()
        if variable in name
    ]
    assert told and all(version == value for version, value in told)
