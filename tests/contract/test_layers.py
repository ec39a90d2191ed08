"""The house's layers, the pure parts of capabilities, and what may be loaded by whom."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"
IMPURE = {"asyncio", "httpx2", "os", "pathlib", "random", "socket", "subprocess", "time", "urllib.request", "uuid"}
HEAVY = ("lightkube", "fastapi", "httpx2", "uvicorn", "rich", "cryptography")


def test_import_linter_finds_nothing() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]


def pure_modules() -> list[Path]:
    """plan.py, checks.py and manifests/ of every capability and service."""
    folders = [*(SOURCE / "roost/capabilities").glob("*/"), *(SOURCE / "roost/services").glob("*/")]
    found = []
    for folder in folders:
        found += [folder / name for name in ("plan.py", "checks.py") if (folder / name).exists()]
        found += (folder / "manifests").rglob("*.py")
    return sorted(found)


def imported(path: Path) -> Iterator[str]:
    """The modules that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


@pytest.mark.parametrize("path", pure_modules(), ids=lambda path: str(path.relative_to(SOURCE / "roost")))
def test_pure_parts_stay_pure(path: Path) -> None:
    folder = ".".join(path.relative_to(SOURCE).parts[:3])
    for name in imported(path):
        if name.startswith("roost"):
            own = name.startswith(folder + ".") or name == folder
            assert own or name.startswith("roost.model"), f"{path.name} imports {name}"
        else:
            assert name not in IMPURE, f"{path.name} imports {name}"


@pytest.mark.parametrize(
    "modules",
    ["roost.kernel.discovery", "roost.kernel.capability", "roost.model.plan", "roost.settings"],
)
def test_the_contract_loads_nothing_heavy(modules: str) -> None:
    code = f"import sys, {modules}; from roost.kernel.discovery import capabilities; capabilities();"
    code += f"print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_only_kube_knows_the_kubernetes_client() -> None:
    found = [
        str(path.relative_to(ROOT))
        for path in SOURCE.rglob("*.py")
        if not path.is_relative_to(SOURCE / "roost/kube")
        and any(name.split(".")[0] == "lightkube" for name in imported(path))
    ]
    assert not found
