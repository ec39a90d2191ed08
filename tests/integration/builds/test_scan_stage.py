"""All scans of a run at once, by the real scanners: what stops it, what its clean twin is told, and what is kept."""

from pathlib import Path

import pytest

from roost.adapters.registry import MANIFEST, Registry
from roost.adapters.tests.memory_registry import MemoryRegistry
from roost.builds import bill, scan_stage
from roost.builds.bench import Bench, StepFailed
from roost.builds.bill import Part
from roost.builds.scan_stage import Scanned
from roost.builds.scanner import Scanner
from roost.model import findings
from roost.model.build_task import Task
from roost.model.findings import Findings
from roost.node import engine

pytestmark = pytest.mark.integration
# Made up, in the form of a token of GitHub; in two parts, so that this file is none of the findings of its own scan.
TOKEN = "ghp_" + "016C7e7yqw3FdR8fK2sLw0aQ1xZ5bN9mTcVu"
BAD = {
    "settings.py": f'TOKEN = "{TOKEN}"\n',
    "app.py": 'from flask import request\nimport os\n\nos.system("ping " + request.args["host"])\n',
    "requirements.txt": "pyyaml==5.3\n",
}
GOOD = {"settings.py": "TOKEN = None\n", "app.py": "print('hello')\n", "requirements.txt": "pyyaml==6.0.2\n"}
SAID = {".gitleaksignore": "*\n", ".semgrepignore": "*\n", "osv-scanner.toml": "[[PackageOverrides]]\nignore = true\n"}


class Stand:
    """A run that is scanned: its task, where it speaks, and a registry in memory."""

    def __init__(self, folder: Path, asking: Scanner) -> None:
        self.root, self.asking, self.said = folder / "source", asking, list[str]()
        for name in ("source", "work", "credentials", "trust"):
            (folder / name).mkdir()
        self.bench = Bench(folder / "credentials", folder / "trust", folder / "work", self.said.append)
        self.registry: Registry = MemoryRegistry().registry()

    def task(self, attempt: int = 1, **more: object) -> Task:
        told = {"tenant": "acme", "project": "shop", "commit": "a" * 40, "attempt": attempt, "gitUrl": "http://git"}
        told |= {"registry": "registry:5000", "builder": "tcp://builder:1", "timeoutS": 60}
        return Task.model_validate({**told, "scanner": True, "advisories": "sha256:1", **more})

    def look(self, files: dict[str, str], task: Task) -> Scanned:
        for name, text in files.items():
            (self.root / name).write_text(text)
        scanned = scan_stage.look(task, self.bench, self.root, self.registry, self.asking)
        scan_stage.judge(task, scanned)
        return scanned

    def kept(self, attempt: int) -> Findings:
        text = self.registry.artefact("acme/shop", findings.KIND, tag=findings.tag(attempt, "a" * 40))
        return Findings.model_validate_json(text or b"{}")


@pytest.fixture
def stand(scanner: Scanner, advisories: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stand:
    programs = engine.build(("gitleaks",))
    monkeypatch.setenv("PATH", f"{programs.path('gitleaks').parent}:/usr/bin:/bin")
    return Stand(tmp_path, scanner)


@pytest.mark.parametrize(
    ("name", "kind"), [("settings.py", "secret"), ("app.py", "source"), ("requirements.txt", "dependency")]
)
def test_each_kind_stops_a_run_whatever_the_repository_says(stand: Stand, name: str, kind: str) -> None:
    with pytest.raises(StepFailed, match="1 finding stops this run") as stopped:
        stand.look({**GOOD, **SAID, name: BAD[name]}, stand.task())
    assert stopped.value.reason == "FindingsBlock" and name in str(stopped.value) and TOKEN not in str(stopped.value)
    assert [item.kind for item in stand.kept(1).items] == [kind]
    assert any("does not count" in line for line in stand.said)


def test_the_clean_twin_passes(stand: Stand) -> None:
    assert stand.look({**GOOD, **SAID}, stand.task()).found.items == ()


def test_what_the_base_had_stops_nothing_where_only_new_ones_count(stand: Stand) -> None:
    with pytest.raises(StepFailed):
        stand.look(BAD, stand.task())
    known = {"base_findings": findings.tag(1, "a" * 40), "scan": {"onlyNew": True}}
    told = stand.look(BAD, stand.task(2, **known))
    assert len(told.found.items) == 3 and not any(item.new for item in told.found.items)
    with pytest.raises(StepFailed, match=r"more\.py"):
        stand.look({**BAD, "more.py": BAD["app.py"]}, stand.task(3, **known))


def test_waived_ones_stop_nothing(stand: Stand) -> None:
    with pytest.raises(StepFailed):
        stand.look(BAD, stand.task())
    waived = [item.fingerprint for item in stand.kept(1).items]
    assert all(item.waived for item in stand.look(BAD, stand.task(2, waived=waived)).found.items)


def test_what_the_policy_turns_off_is_not_looked_for(stand: Stand) -> None:
    off = {"secrets": False, "source": False, "dependencies": False}
    assert stand.look(BAD, stand.task(scan=off)).found.items == () and stand.kept(1).items == ()


def test_an_image_is_judged_by_its_bill_and_has_its_findings_beside_it(stand: Stand) -> None:
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": {}, "layers": []}
    digest = stand.registry.put_manifest("acme/shop", "run-1", manifest)["digest"]
    text = bill.document("acme/shop", "1", digest, [Part("npm", "lodash", "4.17.20")]).encode()
    stand.registry.put_artefact("acme/shop", bill.KIND, text, subject=digest)
    task = stand.task(scan={"blockImage": "high"})
    before = stand.look(GOOD, task)
    built = scan_stage.Built(task, stand.bench, stand.registry, digest)
    scanned = scan_stage.look_at_image(built, before, stand.asking)
    with pytest.raises(StepFailed, match="lodash"):
        scan_stage.judge(task, scanned)
    scan_stage.judge(stand.task(), scanned)
    for kind in (findings.KIND, findings.IMAGE_KIND):
        held = Findings.model_validate_json(stand.registry.artefact("acme/shop", kind, subject=digest) or b"{}")
        assert [(item.kind, item.path) for item in held.items] == [("image", "lodash")]
        assert held.database == "sha256:1"
