"""Bills of materials: the parts of an image, and the document that names them (CycloneDX 1.6 JSON). Pure.

Used for the platform's own images (`roost.node.sbom`) and for those of tenants (`roost.builds.bill_layers`). Found are
Debian packages (dpkg's own list), Python distributions (their METADATA), npm packages (their package.json), Go modules
(what the compiler leaves in each program) and Maven artefacts (what their jars say, or the build wrote down).
"""

import email.parser
import hashlib
import io
import json
import re
import uuid
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import quote, unquote

KIND = "application/vnd.cyclonedx+json"
DPKG = re.compile(r"^var/lib/dpkg/status(\.d/[a-z0-9.+-]+)?$")  # An image without dpkg keeps one file per package.
METADATA = re.compile(r"(^|/)(?:dist|site)-packages/[^/]+\.(?:dist|egg)-info/(?:METADATA|PKG-INFO)$")
NPM = re.compile(r"(^|/)node_modules/(?:@[^/]+/)?[^/@]+/package\.json$")
MAVEN = "roost-maven-parts"  # A file of lines `group:artifact:version`, which a build of ours writes.
_GO_MAGIC = b"\xff Go buildinf:"  # Go writes it, aligned to 16 bytes, before the names of the modules.
_GO_READ = 4 << 20
_NAMESPACE = uuid.UUID("7f0f3f0e-0a0c-5b7e-9d5e-3a4a3c1f0b11")
_JAR = re.compile(r"([A-Za-z0-9_.-]+?)-(\d[A-Za-z0-9_.+-]*)\.[jw]ar")
_ARCHIVE = re.compile(r"\.[jw]ar$")
# What is widely used and not built by Maven, so that its jars do not say whose they are; groups as in
# https://central.sonatype.com/.
_GROUPS = tuple(
    (re.compile(form), group)
    for form, group in (
        (r"spring-boot(-.+)?", "org.springframework.boot"),
        (r"spring-security-.+", "org.springframework.security"),
        (r"spring-(aop|aspects|beans|context|core|expression|jcl|jdbc|jms|messaging)", "org.springframework"),
        (r"spring-(orm|oxm|r2dbc|tx|web|webflux|webmvc|websocket|context-support)", "org.springframework"),
        (r"tomcat-embed-.+", "org.apache.tomcat.embed"),
        (r"micrometer-.+", "io.micrometer"),
        (r"reactor-core", "io.projectreactor"),
        (r"reactor-netty(-.+)?", "io.projectreactor.netty"),
        (r"kotlin-(stdlib(-.+)?|reflect)", "org.jetbrains.kotlin"),
        (r"okhttp", "com.squareup.okhttp3"),
        (r"okio(-jvm)?", "com.squareup.okio"),
        (r"mysql-connector-j", "com.mysql"),
        (r"elasticsearch(-.+)?", "org.elasticsearch"),
    )
)
_COORDINATE = re.compile(r"[A-Za-z0-9_.+-]{1,200}")
MATCHED = ("pypi", "npm", "golang", "maven")  # Besides Debian's.
MOST_IN_JAR, LARGEST_JAR = 200_000, 96 << 20
MOST_OF_JAR, DEEPEST_JAR = 512 << 20, 3  # Unpacked bytes of the archives within; a war in an ear has jars.


@dataclass(frozen=True, order=True)
class Part:
    """One package: its kind is the one in a package URL (`deb`, `pypi`, `npm`, `golang`, `maven`).

    source: what a Debian package was made from, `name` or `name@version`, where that is called otherwise.
    """

    kind: str
    name: str
    version: str
    architecture: str = ""
    source: str = ""

    @property
    def purl(self) -> str:
        """The package URL (https://github.com/package-url/purl-spec)."""
        namespace = "debian/" if self.kind == "deb" else ""
        name = re.sub(r"[-_.]+", "-", self.name).lower() if self.kind == "pypi" else self.name
        said = {"arch": self.architecture, "upstream": quote(self.source, safe=".")}
        end = "&".join(f"{key}={value}" for key, value in said.items() if value)
        end = f"?{end}" if end else ""
        return f"pkg:{self.kind}/{namespace}{quote(name, safe='/.')}@{quote(self.version, safe='.')}{end}"


def of_dpkg(text: str) -> Iterator[Part]:
    """Installed packages out of dpkg's status file."""
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        fields = dict(re.findall(r"^([A-Za-z-]+): (.*)$", paragraph, re.MULTILINE))
        if fields.get("Status", "").endswith(" installed") and {"Package", "Version"} <= fields.keys():
            source = re.sub(r"^(\S+) \((\S+)\)$", r"\1@\2", fields.get("Source", ""))
            yield Part("deb", fields["Package"], fields["Version"], fields.get("Architecture", ""), source)


def of_metadata(text: str) -> Iterator[Part]:
    """The distribution that a METADATA file describes; nothing where it names none."""
    message = email.parser.HeaderParser().parsestr(text)
    if message["Name"] and message["Version"]:
        yield Part("pypi", str(message["Name"]), str(message["Version"]))


def of_npm(text: str) -> Iterator[Part]:
    """The package that a package.json describes; nothing where it names none."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return
    if isinstance(said, dict) and isinstance(said.get("name"), str) and isinstance(said.get("version"), str):
        yield Part("npm", said["name"], said["version"])


def of_maven(text: str) -> Iterator[Part]:
    """Lines `group:artifact:version`."""
    for line in text.splitlines():
        fields = line.strip().split(":")
        if len(fields) == 3 and all(_COORDINATE.fullmatch(item) for item in fields):
            yield Part("maven", f"{fields[0]}/{fields[1]}", fields[2])


def of_go(text: str) -> Iterator[Part]:
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


def of_program(program: IO[bytes]) -> Iterator[Part]:
    """Modules in a Go program, as its compiler wrote them down; nothing where it is none.

    Source: https://github.com/golang/go/blob/master/src/debug/buildinfo/buildinfo.go (the form since Go 1.18).
    """
    data, before = program.read(4), 0
    if data != b"\x7fELF":
        return
    while block := program.read(_GO_READ):
        data += block
        at = data.find(_GO_MAGIC)
        while at >= 0:
            if (before + at) % 16 == 0:
                data += program.read(_GO_READ)
                told = _written(data[at:])
                if told:
                    yield from of_go(told)
                    return
            at = data.find(_GO_MAGIC, at + 1)
        keep = len(_GO_MAGIC) + 15
        before, data = before + len(data) - keep, data[-keep:]


def _written(data: bytes) -> str:
    """What stands behind the magic, as `go version -m` would print it; empty where it has another form."""
    if len(data) < 40 or not data[15] & 2:
        return ""
    version, rest = _string(data[32:])
    modules, _ = _string(rest)
    if len(modules) >= 33 and modules[-17:-16] == b"\n":
        modules = modules[16:-16]
    lines = modules.decode(errors="replace").splitlines()
    return "\n".join([f"program: {version.decode(errors='replace')}", *(f"\t{line}" for line in lines)])


def _string(data: bytes) -> tuple[bytes, bytes]:
    """A string with its length before it as a varint, and what follows."""
    length = shift = at = 0
    while at < min(len(data), 9):
        byte = data[at]
        length |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return data[at : at + length], data[at + length :]
    return b"", b""


def of_jar(content: bytes, name: str) -> Iterator[Part]:
    """Maven artefacts in a jar, war or ear: itself, what it was shaded with, and the archives within.

    `name`: the file's, without folders. What Maven built says so by its pom.properties; of others the name tells, and
    the group where the world knows who publishes it.
    """
    yield from _of_archive(content, name, _Room(), 0)


@dataclass
class _Room:
    """How much of an archive is still read: files of it may be archives themselves, and bombs."""

    bytes: int = MOST_OF_JAR
    entries: int = MOST_IN_JAR


def _of_archive(content: bytes, name: str, room: _Room, depth: int) -> Iterator[Part]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()[: room.entries]
            room.entries -= len(entries)
            own = [item for item in entries if item.filename.endswith("/pom.properties") and item.file_size < 1 << 16]
            for item in own:
                yield from _of_properties(archive.read(item).decode(errors="replace"))
            found = _JAR.fullmatch(name)
            if not own and found:
                yield Part("maven", _placed(found[1]), found[2])
            for item in entries if depth < DEEPEST_JAR else ():
                if _ARCHIVE.search(item.filename) and item.file_size <= min(LARGEST_JAR, room.bytes):
                    room.bytes -= item.file_size
                    yield from _of_archive(archive.read(item), item.filename.rpartition("/")[2], room, depth + 1)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, OSError, EOFError, ValueError):
        return  # No jar, or one that wants a password.


def _placed(artifact: str) -> str:
    """`group/artifact` where one publisher alone calls artefacts so; else the artefact's name."""
    group = next((group for form, group in _GROUPS if form.fullmatch(artifact)), "")
    return f"{group}/{artifact}" if group else artifact


def _of_properties(text: str) -> Iterator[Part]:
    said = dict(re.findall(r"^(groupId|artifactId|version)\s*=\s*(\S+)\s*$", text, re.MULTILINE))
    yield from of_maven(":".join(said.get(key, "") for key in ("groupId", "artifactId", "version")))


def of_component(component: Mapping[str, Any]) -> Part | None:
    """The part that a component of a document is; None where it has no package URL."""
    found = re.match(r"pkg:([a-z]+)/", str(component.get("purl", "")))
    if not found:
        return None
    said = dict(re.findall(r"[?&](arch|upstream)=([^&]{1,200})", str(component["purl"])))
    name, version = str(component.get("name", "")), str(component.get("version", ""))
    return Part(found[1], name, version, said.get("arch", ""), unquote(said.get("upstream", "")))


def of_document(text: str | bytes) -> list[Part]:
    """The parts that a document names; none where it is no document."""
    try:
        said = json.loads(text)
    except ValueError:
        return []
    listed = said.get("components") if isinstance(said, dict) else None
    found = [of_component(item) for item in listed or () if isinstance(item, dict)]
    return [part for part in found if part is not None]


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
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, same)}",
        "version": 1,
        "metadata": {"component": image},
        "components": components,
    }
    return json.dumps(body, indent=1) + "\n"


def for_matching(text: bytes) -> bytes:
    """The document as osv-scanner matches it: Debian's advisories are about source packages of one release.

    Left out are packages of Debian where no release is known, and what no advisory is about.
    """
    parts = of_document(text)
    # The version of base-files is the release's: https://wiki.debian.org/DebianReleases, `/etc/debian_version`.
    # An image without it, such as busybox's, has packages that were updated in a release and say so: `+deb13u1`.
    debian = [part for part in parts if part.kind == "deb"]
    marks = [re.match(r"(\d+)", part.version) for part in debian if part.name == "base-files"]
    marks += [re.search(r"\+deb(\d{1,3})u\d", part.version) for part in debian]
    release = next((mark[1] for mark in marks if mark), "")
    components = []
    for part in parts:
        if part.kind == "deb" and release:
            name, _, version = (part.source or part.name).partition("@")
            source = Part("deb", name, version or part.version)
            components.append(
                {"name": name, "version": source.version, "purl": f"{source.purl}?distro=debian-{release}"}
            )
        elif part.kind in MATCHED:
            components.append({"name": part.name, "version": part.version, "purl": part.purl})
    unique = {str(item["purl"]): {"type": "library", **item} for item in components}
    body = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": list(unique.values())}
    return json.dumps(body).encode()
