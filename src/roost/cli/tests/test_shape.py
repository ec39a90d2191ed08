"""The shape of the CLI: it starts light, every text has its words in Chinese, usage errors say where to read on."""

import ast
import inspect
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import roost
from roost.cli import mount
from roost.cli.main import root, table
from roost.cli.tests.conftest import Roost
from roost.kernel.capability import Capability
from roost.surface.problems import TYPES
from roost.surface.terminal import words
from roost.surface.terminal.client import HINTS

HEAVY = ("pydantic", "yaml", "httpx2", "rich", "asyncio", "fastapi", "lightkube", "ssl", "websockets", "cryptography")
SOURCES = Path(roost.__file__).parent


@pytest.mark.parametrize("arguments", [("--help",), ("version",), ("deploy", "--help"), ("nonsense",)])
def test_starting_loads_nothing_heavy(arguments: tuple[str, ...]) -> None:
    code = (
        "import sys; from pathlib import Path; from roost.cli.main import run; run(sys.argv[1:], {}, Path('.'));"
        "print('LOADED', *sorted(set(name.partition('.')[0] for name in sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    loaded = done.stderr.rpartition("LOADED")[2].split()
    assert not set(loaded) & set(HEAVY)


def commands(group: click.Group, ctx: click.Context) -> Iterator[click.Command]:
    """All commands beneath a group, but those of the machine's cluster, which are not ours."""
    for name in group.list_commands(ctx):
        found = group.get_command(ctx, name)
        if found is None or name == "node":
            continue
        yield found
        if isinstance(found, click.Group):
            yield from commands(found, ctx)


def helps() -> Iterator[str]:
    """Every help text."""
    ctx = click.Context(root)
    for found in [root, mount.node, *commands(root, ctx)]:
        if found.help:
            yield inspect.cleandoc(found.help)
        yield from (param.help for param in found.get_params(ctx) if isinstance(param, click.Option) and param.help)


def texts() -> Iterator[str]:
    """Every text that the code says: what stands in tr(), titles of columns and facts, verdicts, hints, problems."""
    files = [*SOURCES.glob("surface/terminal/*.py"), *SOURCES.glob("cli/*.py")]
    files += SOURCES.glob("*/*/commands*.py")
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            yield from _said(node)
    yield from HINTS.values()
    yield from (title for _, title, _ in TYPES.values())
    from roost.capabilities.release.advice import SAYS, VERDICTS

    yield from (text for text, _ in VERDICTS.values())
    yield from SAYS.values()


def _said(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Call):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name in ("tr", "Column", "field") and node.args and isinstance(node.args[0], ast.Constant):
            yield str(node.args[0].value)
        elif name == "age":
            yield from (str(item.value) for item in node.args[1:2] if isinstance(item, ast.Constant))
            yield "AGE"
        elif name == "facts":
            yield from _titles(node)
    elif isinstance(node, ast.FunctionDef) and node.name == "_head":
        yield from _titles(node)


def _titles(node: ast.AST) -> Iterator[str]:
    for item in ast.walk(node):
        if isinstance(item, ast.Tuple) and len(item.elts) == 2 and isinstance(item.elts[0], ast.Constant):
            yield str(item.elts[0].value)


def test_every_text_has_its_words_in_chinese_and_no_word_is_left_over() -> None:
    wanted, have = {*helps(), *texts()}, set(table("zh"))
    assert sorted(wanted - have) == []
    assert sorted(have - wanted) == []


def test_translations_keep_the_places_for_values() -> None:
    import string

    for english, chinese in table("zh").items():
        places = [{name for _, name, _, _ in string.Formatter().parse(text) if name} for text in (english, chinese)]
        assert places[0] == places[1], english


def test_chinese_is_spoken_and_machines_are_not_translated(roost: Roost) -> None:
    english, chinese = roost("whoami", "-o", "json"), roost("whoami", "-o", "json", ROOST_LANG="zh")
    assert english.out == chinese.out
    assert roost("status", "--bogus", ROOST_LANG="zh").err.startswith("错误：")
    assert "命令" in roost("--help", LANG="zh_CN.UTF-8").out
    words.use({})


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_CN", "LC_ALL": "C"}, "en"),
        ({"ROOST_LANG": "zh"}, "zh"),
    ],
)
def test_the_language_follows_the_environment(environment: dict[str, str], language: str) -> None:
    assert words.language(environment) == language


def test_every_folder_with_commands_names_them_in_its_capability() -> None:
    from importlib import import_module

    for file in [*SOURCES.glob("capabilities/*/commands.py"), *SOURCES.glob("services/*/commands.py")]:
        package = ".".join(("roost", *file.parent.relative_to(SOURCES).parts))
        capability = import_module(package).capability
        assert isinstance(capability, Capability)
        assert capability.commands == f"{package}.commands:commands"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("statsu",), "status"),
        (("app", "creat"), "create"),
        (("logs", "--flow"), "--follow"),
        (("scale",), "PROCESS=N"),
        (("logs", "--since", "5x"), "30s"),
    ],
)
def test_a_wrong_call_says_what_was_meant_and_where_to_read(
    roost: Roost, arguments: tuple[str, ...], told: str
) -> None:
    said = roost(*arguments)
    assert said.code == 2
    assert told in said.err
    assert "--help`" in said.err
    assert said.out == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_printed(roost: Roost, shell: str) -> None:
    said = roost("completion", shell)
    assert "_ROOST_COMPLETE" in said.out


def test_the_table_of_chinese_is_json_sorted_by_key() -> None:
    text = (SOURCES / "cli/locale/zh.json").read_text()
    read = json.loads(text)
    assert text == json.dumps(read, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
