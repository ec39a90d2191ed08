"""The scan of a commit's files in the pod of its run: gitleaks, its SARIF, and what of it stops the run.

What the repository says about scanning (configuration, ignore files, `gitleaks:allow`) does not count: whoever pushes
would decide. The Project and its Waivers do. SARIF 2.1.0: https://docs.oasis-open.org/sarif/sarif/v2.1.0/
"""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Collection
from pathlib import Path
from typing import Final

from roost.builds import sarif
from roost.builds.sarif import Result
from roost.builds.scanner import ScanFailed
from roost.model import findings as found
from roost.model.findings import Finding, Findings, Severity

TIMEOUT_S: Final = 120
MAX_FILE_MB: Final = 5
CONFIG: Final = 'title = "Roost"\n[extend]\nuseDefault = true\n'
# What looks like a secret by its form alone; everything else gitleaks knows by the mark of who issued it.
GUESSES: Final = frozenset(["generic-api-key"])
FIX: Final = (
    "Take it out of the files and give it as configuration: `roost config set NAME=VALUE --secret`. It stays in git's "
    "history: have whoever issued it revoke it."
)
IGNORED: Final = ".gitleaksignore"


def secrets(root: Path, work: Path, waived: Collection[str]) -> Findings:
    """Passwords, keys and tokens in the files beneath `root`. `work`: an own folder. ScanFailed."""
    folder = work / "scan"
    folder.mkdir(exist_ok=True)
    (folder / "config.toml").write_text(CONFIG)
    report = folder / "report.sarif"
    command = ["gitleaks", "dir", "--no-banner", "--exit-code=0", "--log-level=error", "--report-format=sarif"]
    command += [f"--config={folder / 'config.toml'}", f"--report-path={report}", "--ignore-gitleaks-allow"]
    command += [f"--max-target-megabytes={MAX_FILE_MB}", f"--gitleaks-ignore-path={folder}", "--", str(root)]
    hidden = folder / "ignored"
    own = root / IGNORED
    aside = own.is_symlink() or own.exists()
    if aside:
        shutil.move(own, hidden)
    try:
        done = subprocess.run(
            command,
            env={"PATH": os.environ.get("PATH", "/usr/local/bin:/usr/bin"), "HOME": str(folder)},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ScanFailed(f"The scan for secrets did not end well: {error}") from error
    finally:
        if aside:
            shutil.move(hidden, own)
    if done.returncode:
        raise ScanFailed(f"The scan for secrets did not end well: {done.stderr.strip()[-300:]}")
    try:
        with report.open("rb") as file:
            return findings(file.read(sarif.LARGEST + 1), root, waived)
    except (OSError, sarif.SarifInvalid) as error:
        raise ScanFailed(f"The scan for secrets did not end well: {error}") from error


def findings(report: bytes, root: Path, waived: Collection[str]) -> Findings:
    """What a SARIF log tells, the gravest first. Places are told from `root` on; what was found is left out.

    sarif.SarifInvalid.
    """
    return found.ordered(_finding(result, root, waived) for result in sarif.read(report))


def _finding(result: Result, root: Path, waived: Collection[str]) -> Finding:
    rule, path = result.rule[:120], _relative(result.uri, root)
    fingerprint = hashlib.sha256("\0".join((rule, path, result.text)).encode()).hexdigest()[:16]
    return Finding(
        kind="secret",
        tool=result.tool,
        rule=rule,
        severity=_severity(rule),
        path=path[:300],
        line=result.line,
        message=f"{rule}: looks like a secret."[:500],
        fix=FIX,
        fingerprint=fingerprint,
        waived=fingerprint in waived,
    )


def _relative(uri: str, root: Path) -> str:
    plain = uri.removeprefix("file://")
    return os.path.relpath(plain, root) if plain.startswith(f"{root}/") else plain


def _severity(rule: str) -> Severity:
    return "medium" if rule in GUESSES else "high"
