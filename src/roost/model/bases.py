"""What the platform offers to build on. Plain data without pydantic, so that the CLI starts fast."""

from typing import Final

# As images/ makes them.
OFFERED: Final = (
    "base/busybox:1.37",
    "base/debian:trixie",
    "base/go:1.26",
    "base/java:17",
    "base/java:21",
    "base/jre:17",
    "base/jre:21",
    "base/nginx:1.26",
    "base/node:20",
    "base/node:22",
    "base/node:24",
    "base/python:3.11",
    "base/python:3.13",
)

# Repositories of the registry in which offered bases may be.
BASES: Final = tuple(sorted({offered.partition(":")[0] for offered in OFFERED}))
