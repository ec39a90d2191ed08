"""A later version of Roost for tests of upgrades: this checkout, copied, with what a version may bring.

Pods of applications get another shape, Apps a field more (`spec.note`), the platform's image differs. Whoever runs a
program of the copy does so with `environment`.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("src", "engine", "images", "deploy")
FILES = ("pyproject.toml", "README.md", "LICENSE", "requirements.lock", "requirements-dev.lock")

SHAPES = "SHAPES: Final[Mapping[int, Callable[[App, str, AppSpec, Process], dict[str, Any]]]] = {1: _first}"
LATER = """

def _later(app: App, where: str, content: AppSpec, process: Process) -> dict[str, Any]:
    return {**_first(app, where, content, process), "shareProcessNamespace": False}


"""
HOLD = "    hold: str = Field(\n"
NOTE = '    note: str = Field("", max_length=100, description="What a later version lets people note.")\n'
DEFINITIONS = """
from pathlib import Path
from roost.mains.generate import files
for name, text in files().items():
    if name.startswith("deploy/"):
        Path(name).write_text(text)
"""


def _change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, f"{path}: {old!r} is there {text.count(old)} times"
    path.write_text(text.replace(old, new))


def make(folder: Path) -> Path:
    """The copy, changed and generated anew."""
    copy = folder / "later"
    shutil.rmtree(copy, ignore_errors=True)
    skip = shutil.ignore_patterns("__pycache__", "*.pyc")
    for part in PARTS:
        shutil.copytree(ROOT / part, copy / part, ignore=skip)
    for name in FILES:
        shutil.copy2(ROOT / name, copy / name)
    shapes = copy / "src/roost/capabilities/app/manifests/deployment.py"
    _change(shapes, SHAPES, f"{LATER.strip()}\n\n\n{SHAPES.removesuffix('}')}, 2: _later}}")
    _change(copy / "src/roost/model/kinds/app.py", HOLD, NOTE + HOLD)
    command = [sys.executable, "-c", DEFINITIONS]
    subprocess.run(command, cwd=copy, env=environment(copy), check=True, capture_output=True, timeout=120)
    assert "note:" in (copy / "deploy/crds/apps.yaml").read_text()
    return copy


def environment(copy: Path) -> dict[str, str]:
    """Variables with which Python runs the copy."""
    return {**os.environ, "PYTHONPATH": str(copy / "src"), "ROOST_LANG": "en"}
