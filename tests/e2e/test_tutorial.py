"""The tutorial, exactly as written: every block is run in order, and every answer is what the page promises."""

import subprocess
from pathlib import Path

import pytest
from tests.e2e.conftest import ROOT, Person, kubectl
from tests.e2e.tutorial import agrees, blocks, script

pytestmark = pytest.mark.e2e

PAGE = ROOT / "docs/tutorial.md"


def test_the_tutorial_does_what_it_says(administrator: Person, tmp_path: Path) -> None:
    kubectl("delete", "tenants.roost.dev", "tutorial", "--ignore-not-found", "--wait=true", "--timeout=180s")
    found = blocks(PAGE)
    said, home = tmp_path / "said", tmp_path / "home"
    said.mkdir()
    home.mkdir()
    (tmp_path / "tutorial.sh").write_text(script(found, said))
    environment = {key: value for key, value in administrator.environ().items() if key != "GIT_SSL_CAINFO"}
    try:
        done = subprocess.run(
            ["bash", str(tmp_path / "tutorial.sh")],
            input=administrator.password + "\n",
            env=environment | {"HOME": str(home), "GIT_TERMINAL_PROMPT": "0"},
            cwd=ROOT,
            text=True,
            check=False,
            timeout=540,
        )
    finally:
        kubectl("delete", "tenants.roost.dev", "tutorial", "--ignore-not-found", "--wait=true", "--timeout=180s")
    for number, block in enumerate(found):
        file = said / str(number)
        text = file.read_text() if file.exists() else ""
        last = done.returncode and not (said / str(number + 1)).exists()
        assert not last, f"This block of the tutorial failed:\n{block.shell}\nIt said:\n{text}"
        assert not block.answer or agrees(block.answer, text), (
            f"The tutorial promises of\n{block.shell}\nthe answer\n{block.answer}\nand it is\n{text}"
        )
