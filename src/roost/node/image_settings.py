"""What a site decides about its images: package mirrors and the CA bundle that builds trust. Read once by a main.

ROOST_MIRRORS             `apt=URL apt-security=URL pip=URL go=URL`; the machine's own sources for what is missing
ROOST_BUILD_TRUST         CA bundle (PEM) that builds use while they run
ROOST_BAKE_TRUST          `yes` puts that bundle into every image as the site's trust, else none is left in an image
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

MACHINE_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
APT_SOURCES = Path("/etc/apt")


class MirrorMissing(ValueError):
    """No Debian mirror is known; the text says how to give one."""


@dataclass(frozen=True)
class ImageSettings:
    """Where packages come from and whom builds trust."""

    apt: str = ""  # Debian mirror, an URL.
    apt_security: str = ""  # Mirror of Debian's security updates; empty leaves them out where `apt` was given.
    pip: str = ""  # Index of Python packages, an URL; empty means pip's default.
    go: str = ""  # Proxy of Go modules, an URL; empty means Go's default.
    trust_bundle: Path = MACHINE_BUNDLE  # Given to builds, never left behind by them.
    bake_trust: bool = False  # Whether the bundle becomes part of every image.

    @classmethod
    def read(cls, environment: Mapping[str, str], sources: Path = APT_SOURCES) -> "ImageSettings":
        """Settings from the environment, completed from apt's sources on this machine.

        MirrorMissing where neither names a Debian mirror.
        """
        mirrors = dict(item.split("=", 1) for item in environment.get("ROOST_MIRRORS", "").split() if "=" in item)
        apt, security = mirrors.get("apt", ""), mirrors.get("apt-security", "")
        if not apt:
            apt, found = machine_mirrors(sources)
            security = security or found
        return cls(
            apt=apt,
            apt_security=security,
            pip=mirrors.get("pip", environment.get("PIP_INDEX_URL", "")),
            go=mirrors.get("go", environment.get("GOPROXY", "")),
            trust_bundle=Path(environment.get("ROOST_BUILD_TRUST", str(MACHINE_BUNDLE))),
            bake_trust=environment.get("ROOST_BAKE_TRUST", "no") == "yes",
        )

    def apt_lines(self, suite: str) -> list[str]:
        """Lines of sources.list for one suite: the suite, its updates, its security updates."""
        lines = [f"deb {self.apt} {suite} main", f"deb {self.apt} {suite}-updates main"]
        if self.apt_security:
            lines.append(f"deb {self.apt_security} {suite}-security main")
        return lines


def machine_mirrors(sources: Path = APT_SOURCES) -> tuple[str, str]:
    """(mirror, security mirror) that this machine's own apt uses for Debian; the second may be empty."""
    main = security = ""
    for url, suites, components in _entries(sources):
        if "main" not in components:
            continue
        if any(suite.endswith("-security") for suite in suites):
            security = security or url
        elif any(suite.endswith("-updates") for suite in suites) or "debian" in url:
            main = main or url
    if not main:
        raise MirrorMissing("apt on this machine names no Debian mirror: set ROOST_MIRRORS='apt=URL apt-security=URL'.")
    return main, security


def _entries(sources: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """(url, suites, components) of every binary source, in the new format and in the old."""
    for path in sorted(sources.glob("sources.list.d/*.sources")):
        for paragraph in re.split(r"\n\s*\n", path.read_text()):
            fields = dict(re.findall(r"^([A-Za-z-]+):[ \t]*(.*)$", paragraph, re.MULTILINE))
            if "deb" in fields.get("Types", "").split() and fields.get("Enabled", "yes") != "no":
                for url in fields.get("URIs", "").split():
                    yield url.rstrip("/"), fields.get("Suites", "").split(), fields.get("Components", "").split()
    for path in [sources / "sources.list", *sorted(sources.glob("sources.list.d/*.list"))]:
        if path.is_file():
            for line in path.read_text().splitlines():
                found = re.match(r"^deb\s+(?:\[[^]]*\]\s+)?(\S+)\s+(\S+)\s+(.+?)\s*(?:#.*)?$", line)
                if found:
                    yield found[1].rstrip("/"), [found[2]], found[3].split()
