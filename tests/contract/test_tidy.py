"""The tail is held: no long function, file or line, no long parameter list, no catch-all, no note to oneself.

More than seven parameters, or a broad `except` outside `kernel` and `mains`, needs a reason: a comment on that line.
"""

import ast
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("src", "tests", "bench", "images")
FUNCTION, FILE, LINE, PARAMETERS = 70, 500, 120, 7
NOTES = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XXX|HACK)\b")


def sources() -> list[Path]:
    """Every Python file of ours."""
    return sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """All functions and methods, also inner ones."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """How many there are, without self and cls."""
    named = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return len([item for item in named if item.arg not in ("self", "cls")])


def broad(node: ast.AST) -> bool:
    """Whether it catches everything."""
    if not isinstance(node, ast.ExceptHandler):
        return False
    caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
    return any(item is None or getattr(item, "id", "") in ("Exception", "BaseException") for item in caught)


def reraises(node: ast.ExceptHandler) -> bool:
    """Whether it only tidies up and lets the error go on."""
    return isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None


def faults(path: Path) -> list[str]:
    """What is untidy in a file, each with its line."""
    text = path.read_text()
    lines = text.splitlines()
    tree = ast.parse(text)
    catches = not path.is_relative_to(ROOT / "src/roost/kernel") and not path.is_relative_to(ROOT / "src/roost/mains")
    found = [f"{FILE} lines are enough, not {len(lines)}"] if len(lines) > FILE else []
    found += [f"{index}: longer than {LINE}" for index, line in enumerate(lines, 1) if len(line) > LINE]
    for node in functions(tree):
        length = (node.end_lineno or 0) - node.lineno + 1
        if length > FUNCTION:
            found.append(f"{node.lineno}: {node.name} has {length} lines")
        if parameters(node) > PARAMETERS and "#" not in lines[node.lineno - 1]:
            found.append(f"{node.lineno}: {node.name} has {parameters(node)} parameters")
    for inner in ast.walk(tree):
        if isinstance(inner, ast.ExceptHandler) and broad(inner) and catches and not reraises(inner):
            reason = re.sub(r"noqa: *[A-Z]+[0-9]+", "", lines[inner.lineno - 1].partition("#")[2])
            if len(reason.strip(" #.,")) < 10:
                found.append(f"{inner.lineno}: catches everything without a reason")
    if not ast.get_docstring(tree) and text.strip():
        found.append("1: says not what it is for")
    return found


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_tidy(path: Path) -> None:
    assert not faults(path), "\n".join(faults(path))


def test_nobody_leaves_notes_to_oneself() -> None:
    found = []
    for path in sources():
        with path.open("rb") as file:
            for token in tokenize.tokenize(file.readline):
                if token.type == tokenize.COMMENT and NOTES.search(token.string):
                    found.append(f"{path.relative_to(ROOT)}:{token.start[0]}: {token.string}")
    assert not found, "\n".join(found)


def test_what_is_untidy_is_found(tmp_path: Path) -> None:
    long = "def f(a, b, c, d, e, f, g, h):\n" + "    a = 1\n" * 80
    path = tmp_path / "untidy.py"
    path.write_text(long + "try:\n    f()\nexcept Exception:\n    pass\n" + "x = '" + "y" * 130 + "'\n")
    text = "\n".join(faults(path))
    for part in ("has 81 lines", "has 8 parameters", "catches everything", "longer than 120", "what it is for"):
        assert part in text
