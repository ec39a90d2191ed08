"""A kopf as its authors publish it, in an environment of its own in the cache. P3 starts it."""

import os
import subprocess
import sys
from pathlib import Path

from roost.node import paths

VERSION = "1.45.2"
OPERATOR = Path(__file__).with_name("kopf_operator.py")


def program() -> Path:
    """The `kopf` command, installed where it is missing. CalledProcessError where no package index answers."""
    folder = paths.cache() / "bench" / f"kopf-{VERSION}"
    ready = folder / "ready"
    if not ready.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(folder / "bin/pip"), "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, f"kopf=={VERSION}", "PyYAML"], check=True)
        ready.touch()
    return folder / "bin/kopf"


def start(kubeconfig: Path, requests: Path) -> "subprocess.Popen[str]":
    """The operator over all namespaces; it says {"ready": true} on stdout when it begins. Logs go to kopf's own end."""
    command = [str(program()), "run", "--standalone", "--all-namespaces", "--quiet", str(OPERATOR)]
    env = {**os.environ, "KUBECONFIG": str(kubeconfig), "BENCH_REQUESTS": str(requests)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env)
