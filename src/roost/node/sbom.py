"""Bills of materials: what is inside an image, as CycloneDX 1.6 JSON. Called by `roost.node.images` for every image.

Four kinds of parts are found: Debian packages (dpkg's own list), Python distributions (their METADATA), npm packages
(their package.json) and Go modules (what `go version -m` reads out of each program). Input is the image's root file
system as a tar stream.
"""

import email.parser
import hashlib
import json
import re
import subprocess
import tarfile
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote

DPKG = re.compile(r"^var/lib/dpkg/status(\.d/[a-z0-9.+-]+)?$")  # An image without dpkg keeps one file per package.
METADATA = re.compile(r"(^|/)(?:dist|site)-packages/[^/]+\.(?:dist|egg)-info/(?:METADATA|PKG-INFO)$")
NPM = re.compile(r"(^|/)node_modules/(?:@[^/]+/)?[^/@]+/package\.json$")
GO_MAGIC = b"\xff Go buildinf:"  # Go writes it at the start of the section that names the modules.
NAMESPACE = uuid.UUID("7f0f3f0e-0a0c-5b7e-9d5e-3a4a3c1f0b11")


@dataclass(frozen=True, order=True)
class Part:
    """One package: its kind is the one in a package URL (`deb`, `pypi`, `npm`, `golang`)."""

    kind: str
    name: str
    version: str
    architecture: str = ""

    @property
    def purl(self) -> str:
        """The package URL (https://github.com/package-url/purl-spec)."""
        namespace = "debian/" if self.kind == "deb" else ""
        name = re.sub(r"[-_.]+", "-", self.name).lower() if self.kind == "pypi" else self.name
        end = f"?arch={self.architecture}" if self.architecture else ""
        return f"pkg:{self.kind}/{namespace}{quote(name, safe='/.')}@{quote(self.version, safe='.')}{end}"


def parts_of_dpkg(text: str) -> Iterator[Part]:
    """Installed packages out of dpkg's status file."""
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        fields = dict(re.findall(r"^([A-Za-z-]+): (.*)$", paragraph, re.MULTILINE))
        if fields.get("Status", "").endswith(" installed"):
            yield Part("deb", fields["Package"], fields["Version"], fields.get("Architecture", ""))


def parts_of_metadata(text: str) -> Iterator[Part]:
    """The distribution that a METADATA file describes; nothing where it names none."""
    message = email.parser.HeaderParser().parsestr(text)
    if message["Name"] and message["Version"]:
        yield Part("pypi", str(message["Name"]), str(message["Version"]))


def parts_of_npm(text: str) -> Iterator[Part]:
    """The package that a package.json describes; nothing where it names none."""
    try:
        said = json.loads(text)
    except ValueError:
        return
    if isinstance(said, dict) and isinstance(said.get("name"), str) and isinstance(said.get("version"), str):
        yield Part("npm", said["name"], said["version"])


def parts_of_go(text: str) -> Iterator[Part]:
    """Modules out of what `go version -m` says. A replaced module counts as what replaced it, unless that is a folder.

    The first line also names the Go version, whose standard library is in the program too.
    """
    module: Part | None = None
    for line in text.splitlines():
        fields = line.split("\t")
        toolchain = re.search(r": go(\d\S*)", line)
        if not line.startswith("\t") and toolchain:
            yield Part("golang", "stdlib", toolchain[1])
        elif len(fields) >= 3 and fields[1] in ("dep", "mod", "=>"):
            if fields[1] == "=>":
                module = Part("golang", fields[2], fields[3]) if fields[3:4] not in ([], [""], ["(devel)"]) else module
                continue
            if module is not None:
                yield module
            version = fields[3] if len(fields) > 3 else ""
            module = Part("golang", fields[2], version) if version not in ("", "(devel)") else None
    if module is not None:
        yield module


def go_modules(program: IO[bytes], go: str) -> list[Part]:
    """Modules in one program, none where it is not a Go program. `go` is the Go tool's path."""
    start = program.read(4)
    if start != b"\x7fELF":
        return []
    with tempfile.NamedTemporaryFile(prefix="roost-sbom-") as copy:
        copy.write(start)
        found, tail = False, b""
        while block := program.read(1 << 22):
            copy.write(block)
            found = found or GO_MAGIC in tail + block
            tail = block[-len(GO_MAGIC) :]
        if not found:
            return []
        copy.flush()
        done = subprocess.run([go, "version", "-m", copy.name], capture_output=True, text=True, errors="replace")
    return list(parts_of_go(done.stdout))


def parts_of_rootfs(stream: IO[bytes], go: str) -> list[Part]:
    """Every part of the root file system that `stream` holds as a tar, sorted, each once."""
    found: set[Part] = set()
    with tarfile.open(fileobj=stream, mode="r|*") as archive:
        for member in archive:
            if not member.isfile():
                continue
            name = member.name.removeprefix("./").lstrip("/")
            is_dpkg = DPKG.match(name) is not None
            is_npm = NPM.search(name) is not None
            reads_text = is_dpkg or is_npm or METADATA.search("/" + name)
            if not reads_text and not (member.mode & 0o111 and member.size > 500_000):
                continue
            content = archive.extractfile(member)
            if content is None:
                continue
            if is_dpkg:
                found.update(parts_of_dpkg(content.read().decode(errors="replace")))
            elif is_npm:
                found.update(parts_of_npm(content.read().decode(errors="replace")))
            elif reads_text:
                found.update(parts_of_metadata(content.read().decode(errors="replace")))
            else:
                found.update(go_modules(content, go))
    return sorted(found)


def document(name: str, version: str, digest: str, parts: Iterable[Part]) -> str:
    """The bill of materials of one image, CycloneDX 1.6 as JSON text; the same parts make the same bytes."""
    components = [
        {"type": "library", "bom-ref": part.purl, "name": part.name, "version": part.version, "purl": part.purl}
        for part in sorted(set(parts))
    ]
    same = hashlib.sha256(json.dumps([name, version, digest, components]).encode()).hexdigest()
    image = {"type": "container", "bom-ref": f"{name}@{digest}", "name": name, "version": version}
    body = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(NAMESPACE, same)}",
        "version": 1,
        "metadata": {"component": image},
        "components": components,
    }
    return json.dumps(body, indent=1) + "\n"


def write(rootfs: Path, target: Path, image: tuple[str, str, str], go: str) -> int:
    """Write the bill of what is in the tar file `rootfs`; `image` is (name, version, digest). The number of parts."""
    with rootfs.open("rb") as stream:
        parts = parts_of_rootfs(stream, go)
    target.write_text(document(*image, parts))
    return len(parts)
