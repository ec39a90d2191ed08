"""The scripts that git calls in a push, for `repositories`. What they do is in `hooks`, which imports little."""

import shlex
import sys
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).parents[2]  # Where the package `roost` is.


def install(folder: Path) -> Path:
    """Write the two scripts that git calls into `folder` (made where it is missing); gives it back."""
    folder.mkdir(parents=True, exist_ok=True)
    # Without site (-S) and runpy (-m): half of what Python takes to start.
    code = f"import sys; sys.path.append({str(SOURCE)!r}); from roost.gitserver.hooks import run; run()"
    call = " ".join(["exec", *map(shlex.quote, (sys.executable, "-I", "-S", "-c", code))])
    scripts = {
        "pre-receive": f"#!/bin/sh\n{call} pre-receive\n",
        "reference-transaction": f'#!/bin/sh\n[ "$1" = prepared ] || exit 0\n{call} reference-transaction\n',
    }
    for name, text in scripts.items():
        fresh = folder / f".{name}.new"
        fresh.write_text(text)
        fresh.chmod(0o755)
        fresh.replace(folder / name)
    return folder
