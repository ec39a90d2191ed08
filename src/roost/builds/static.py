"""A folder with an index.html, served by nginx as it is (pure). `detect` calls `plan`."""

from collections.abc import Sequence

from roost.builds import planned
from roost.builds.files import Files
from roost.builds.planned import Planned
from roost.builds.probes import Probe

FRONT = Probe("/", "the front page")


def plan(files: Files, offered: Sequence[str]) -> Planned:
    """How to serve it. Unbuildable where nothing that serves is offered."""
    site = planned.newest(offered, "nginx", "a static site")
    return Planned(
        (f"FROM {site}", "COPY . /app"),
        {"web": "serve-site /app"},
        ("Detected a static site: there is an index.html",),
        FRONT if "index.html" in files.names() else None,
    )
