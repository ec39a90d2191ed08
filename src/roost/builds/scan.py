"""The scan of a commit's files in the pod of its run: gitleaks, its SARIF, and what of it stops the run.

What the repository says about scanning (configuration, ignore files, `gitleaks:allow`) does not count: whoever pushes
would decide. The Project and its Waivers do. SARIF 2.1.0: https://docs.oasis-open.org/sarif/sarif/v2.1.0/
"""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from roost.model.findings import LEVELS, MOST, Finding, Findings, Severity

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


class ScanFailed(Exception):
    """The scanner did not do its work; the text says why."""


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
    return findings(json.loads(report.read_text()), root, waived)


def findings(sarif: Mapping[str, Any], root: Path, waived: Collection[str]) -> Findings:
    """What a SARIF log tells, the gravest first. Places are told from `root` on; what was found is left out."""
    found = [
        _finding(run, result, root, waived) for run in sarif.get("runs") or () for result in run.get("results") or ()
    ]
    unique = {item.fingerprint: item for item in reversed(found)}.values()
    ordered = sorted(unique, key=lambda item: (-LEVELS.index(item.severity), item.path, item.line, item.rule))
    return Findings(items=tuple(ordered[:MOST]), more=max(0, len(ordered) - MOST))


def _finding(run: Mapping[str, Any], result: Mapping[str, Any], root: Path, waived: Collection[str]) -> Finding:
    tool = str(run["tool"]["driver"]["name"])[:40]
    rule = str(result.get("ruleId", ""))[:120]
    place = (result.get("locations") or [{}])[0].get("physicalLocation") or {}
    region = place.get("region") or {}
    path = _relative(str((place.get("artifactLocation") or {}).get("uri", "")), root)
    said = str((region.get("snippet") or {}).get("text", ""))
    fingerprint = hashlib.sha256("\0".join((rule, path, said)).encode()).hexdigest()[:16]
    return Finding(
        tool=tool,
        rule=rule,
        severity=_severity(rule),
        path=path[:300],
        line=max(0, int(region.get("startLine") or 0)),
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


def verdict(stopping: Sequence[Finding], project: str) -> str:
    """What a person reads whose run is stopped: which findings, where, and how to fix or waive them."""
    lines = [f"{len(stopping)} findings stop this run." if len(stopping) > 1 else "1 finding stops this run."]
    lines += [f"{item.place}  {item.rule}  ({item.severity}, {item.fingerprint})" for item in stopping[:5]]
    if len(stopping) > 5:
        lines.append(f"... and {len(stopping) - 5} more: `roost findings -p {project}`.")
    lines.append(stopping[0].fix)
    lines.append(f"An owner lets one stay: `roost waive {stopping[0].fingerprint} -p {project} --reason ...`.")
    return "\n".join(lines)
