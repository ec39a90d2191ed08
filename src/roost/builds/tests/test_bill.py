"""What a bill of materials finds in an image, layer by layer, and that the same content makes the same bill."""

import io
import json
import tarfile
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.builds import bill, bill_layers
from roost.builds.bill import Part
from roost.builds.bill_layers import Layer

STATUS = """\
Package: bash
Status: install ok installed
Architecture: amd64
Version: 5.2.37-2+b10
Description: the shell
 Version: 9 is no field here

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1
"""
GO = """\
/usr/bin/etcd: go1.26.8
\tpath\tgo.etcd.io/etcd/server/v3
\tmod\troost.dev/engine/etcd\t(devel)\t
\tdep\tgithub.com/a/b\tv1.2.3\th1:x=
\tdep\tgithub.com/old/c\tv0.0.1
\t=>\tgithub.com/new/c\tv0.0.2\th1:y=
\tdep\tsigs.k8s.io/local\tv0.5.2
\t=>\t./local\t(devel)\t
\tbuild\t-tags=netgo
"""


def rootfs(files: dict[str, tuple[bytes, int]]) -> io.BytesIO:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, (content, mode) in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), mode
            archive.addfile(member, io.BytesIO(content))
    stream.seek(0)
    return stream


def test_only_installed_debian_packages_count() -> None:
    assert list(bill.of_dpkg(STATUS)) == [Part("deb", "bash", "5.2.37-2+b10", "amd64")]


def test_a_replaced_go_module_counts_as_its_replacement_and_a_local_one_as_itself() -> None:
    assert sorted(part.purl for part in bill.of_go(GO)) == [
        "pkg:golang/github.com/a/b@v1.2.3",
        "pkg:golang/github.com/new/c@v0.0.2",
        "pkg:golang/sigs.k8s.io/local@v0.5.2",
        "pkg:golang/stdlib@1.26.8",
    ]


def test_a_root_file_system_gives_packages_distributions_and_nothing_twice() -> None:
    metadata = b"Metadata-Version: 2.1\nName: Flask_Thing\nVersion: 3.1\n\nName: not-this\n"
    files = {
        "var/lib/dpkg/status": (STATUS.encode(), 0o644),
        "./var/lib/dpkg/status.d/catatonit": (
            b"Package: catatonit\nStatus: install ok installed\nVersion: 1:0.2\n",
            0o644,
        ),
        "opt/roost/lib/python3.13/site-packages/flask_thing-3.1.dist-info/METADATA": (metadata, 0o644),
        "usr/lib/python3/dist-packages/flask_thing-3.1.egg-info/PKG-INFO": (metadata, 0o644),
        "usr/lib/node_modules/npm/package.json": (b'{"name": "npm", "version": "11.0.1"}', 0o644),
        "app/node_modules/@scope/part/package.json": (b'{"name": "@scope/part", "version": "2.0.0"}', 0o644),
        "app/node_modules/part/lib/package.json": (b'{"name": "within", "version": "1"}', 0o644),
        "app/node_modules/broken/package.json": (b'{"name": 3', 0o644),
        "app/node_modules/odd/package.json": (b'{"name": "odd", "version": 3}', 0o644),
        "usr/share/METADATA": (b"Name: x\nVersion: 1\n", 0o644),
        "usr/bin/script": (b"#!/bin/sh\n" + b"#" * 600_000, 0o755),
    }
    found = bill_layers.merged((), [bill_layers.scan(rootfs(files))])
    assert [part.purl for part in found] == [
        "pkg:deb/debian/bash@5.2.37-2%2Bb10?arch=amd64",
        "pkg:deb/debian/catatonit@1%3A0.2",
        "pkg:npm/%40scope/part@2.0.0",
        "pkg:npm/npm@11.0.1",
        "pkg:pypi/flask-thing@3.1",
    ]


def varint(text: bytes) -> bytes:
    length, out = len(text), b""
    while length > 0x7F:
        out, length = out + bytes([length & 0x7F | 0x80]), length >> 7
    return out + bytes([length]) + text


def go_program(before: int = 0) -> bytes:
    """What the compiler writes; `before`: bytes before it, in which a magic that is not aligned stands."""
    modules = "".join(f"{line[1:]}\n" for line in GO.splitlines()[1:]).encode()
    section = b"\xff Go buildinf:" + bytes([8, 2]) + b"\0" * 16
    section += varint(b"go1.26.8") + varint(b"0" * 16 + modules + b"1" * 16)
    filling = (b"\x7fELF" + b"\0" * 11 + b"\xff Go buildinf:").ljust(before + 64, b"\0")
    return filling.ljust(-(-len(filling) // 16) * 16, b"\0") + section


@pytest.mark.parametrize("before", [0, 5 << 20, (4 << 20) - 72])
def test_the_modules_of_a_go_program_are_read_without_go(before: int) -> None:
    assert sorted(bill.of_program(io.BytesIO(go_program(before)))) == sorted(bill.of_go(GO))


@given(st.binary(max_size=200))
def test_a_program_that_is_not_go_has_no_modules(rest: bytes) -> None:
    assert list(bill.of_program(io.BytesIO(b"\x7fELF" + b"\0" * 12 + rest))) == []
    list(bill.of_program(io.BytesIO(b"\x7fELF" + b"\0" * 12 + b"\xff Go buildinf:\x08\x02" + rest)))


def jar(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def test_a_jar_names_itself_and_those_within() -> None:
    properties = b"groupId=org.example\nversion=1.0\nartifactId=shop\n"
    inner = jar({"META-INF/maven/com.x/y/pom.properties": b"version=2\ngroupId=com.x\nartifactId=y\n"})
    fat = jar(
        {
            "META-INF/maven/org.example/shop/pom.properties": properties,
            "BOOT-INF/lib/y-2.jar": inner,
            "BOOT-INF/lib/spring-core-6.2.12.jar": jar({"a": b""}),
            "BOOT-INF/lib/broken-1.jar": b"no zip",
        }
    )
    files = {
        "app/app.jar": (fat, 0o644),
        "app/roost-maven-parts": (b"org.springframework:spring-core:6.2.12\nx\n../:a:1\n", 0o644),
    }
    found = bill_layers.merged((), [bill_layers.scan(rootfs(files))])
    assert [part.purl for part in found] == [
        "pkg:maven/com.x/y@2",
        "pkg:maven/org.example/shop@1.0",
        "pkg:maven/org.springframework/spring-core@6.2.12",
    ]
    assert Part("maven", "org.springframework/spring-core", "6.2.12") in set(bill.of_jar(fat, "app.jar"))


@given(st.binary(max_size=300))
def test_no_jar_is_too_broken(content: bytes) -> None:
    list(bill.of_jar(b"PK\3\4" + content, "x-1.jar"))


def test_later_layers_hide_and_replace() -> None:
    old, new, base = Part("npm", "a", "1"), Part("npm", "a", "2"), Part("deb", "bash", "5")
    first = Layer(
        {"app/node_modules/a/package.json": (old,), "app/node_modules/b/package.json": (Part("npm", "b", "1"),)}
    )
    assert bill_layers.merged([base], [first, Layer({}, ("app/node_modules/b",))]) == [base, old]
    assert bill_layers.merged([base], [first, Layer({}, ("app/",))]) == [base]
    assert bill_layers.merged([base], [first, Layer({"app/node_modules/a/package.json": (new,)}, ("app/x",))])[1] == new
    assert bill_layers.merged([base], [first, Layer({}, ("app/node_modules/",))]) == [base]
    listed = Layer({"var/lib/dpkg/status": (Part("deb", "bash", "6"),)})
    assert bill_layers.merged([base], [listed]) == [Part("deb", "bash", "6")]


def test_what_hides_is_read_from_a_layer() -> None:
    files = {"app/.wh.old": (b"", 0o644), "app/lib/.wh..wh..opq": (b"", 0o644), ".wh.top": (b"", 0o644)}
    assert bill_layers.scan(rootfs(files)).gone == ("app/old", "app/lib/", "top")


def test_what_was_found_is_kept_for_the_next_build() -> None:
    layers = {"sha256:1": Layer({"a": (Part("deb", "x", "1", "amd64"),)}, ("b",)), "sha256:2": Layer()}
    assert bill_layers.load(bill_layers.dump(layers)) == layers
    for wrong in (b"", b"[]", b'{"a": 1}', b'{"a": {"parts": {"b": [[1]]}, "gone": []}}', b"\xff"):
        assert bill_layers.load(wrong) == {}


def test_a_document_is_read_as_it_was_written() -> None:
    parts = [Part("deb", "x", "1:2+b", "amd64"), Part("npm", "@a/b", "1"), Part("maven", "g/a", "1")]
    assert sorted(bill.of_document(bill.document("n", "v", "sha256:0", parts))) == sorted(parts)
    assert bill.of_document(b"{}") == bill.of_document(b"nonsense") == []


def test_the_same_parts_make_the_same_bytes() -> None:
    parts = [Part("pypi", "b", "2"), Part("pypi", "a", "1"), Part("pypi", "a", "1")]
    first = bill.document("roost.internal/x", "k", "sha256:0", parts)
    assert first == bill.document("roost.internal/x", "k", "sha256:0", reversed(parts))
    body = json.loads(first)
    assert (body["bomFormat"], body["specVersion"]) == ("CycloneDX", "1.6")
    assert [component["name"] for component in body["components"]] == ["a", "b"]


def test_what_is_matched_are_debians_source_packages_of_its_release() -> None:
    status = "Package: libssl3t64\nStatus: install ok installed\nArchitecture: amd64\n"
    status += "Source: openssl (3.5.0-1)\nVersion: 3.5.0-1+b1\n"
    parts = [
        *bill.of_dpkg(status),
        Part("deb", "base-files", "13.8+deb13u2", "amd64"),
        Part("npm", "lodash", "4.17.21"),
    ]
    text = bill.document("a", "1", "sha256:0", parts).encode()
    assert sorted(bill.of_document(text)) == sorted(parts)
    purls = [item["purl"] for item in json.loads(bill.for_matching(text))["components"]]
    assert purls == [
        "pkg:deb/debian/base-files@13.8%2Bdeb13u2?distro=debian-13",
        "pkg:deb/debian/openssl@3.5.0-1?distro=debian-13",
        "pkg:npm/lodash@4.17.21",
    ]


def test_without_a_release_no_package_of_debian_is_matched() -> None:
    text = bill.document("a", "1", "sha256:0", [Part("deb", "openssl", "3.5.0-1")]).encode()
    assert json.loads(bill.for_matching(text))["components"] == []


def properties(group: str, artifact: str, version: str) -> dict[str, bytes]:
    text = f"version={version}\ngroupId={group}\nartifactId={artifact}\n".encode()
    return {f"META-INF/maven/{group}/{artifact}/pom.properties": text}


def test_a_jar_of_jars_and_what_others_were_shaded_into_are_seen() -> None:
    shaded = jar(
        {f"a/{number}.class": b"" for number in range(300)}
        | properties("com.x", "a", "1")
        | {
            f"META-INF/maven/org.y/b{number}/pom.properties": next(
                iter(properties("org.y", f"b{number}", "2").values())
            )
            for number in range(120)
        }
    )
    war = jar({"WEB-INF/lib/a-1.jar": shaded, "WEB-INF/lib/tomcat-embed-core-9.0.1.jar": jar({"x": b""})})
    found = set(bill.of_jar(jar({"web.war": war}), "shop.ear"))
    assert Part("maven", "com.x/a", "1") in found and Part("maven", "org.y/b119", "2") in found
    assert Part("maven", "org.apache.tomcat.embed/tomcat-embed-core", "9.0.1") in found


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("spring-core-5.3.17.jar", "org.springframework/spring-core"),
        ("spring-boot-starter-web-3.2.0.jar", "org.springframework.boot/spring-boot-starter-web"),
        ("spring-security-web-6.1.0.jar", "org.springframework.security/spring-security-web"),
        ("spring-of-acme-1.0.jar", "spring-of-acme"),
        ("core-1.0.jar", "core"),
    ],
)
def test_whose_a_jar_is_that_does_not_say_so(name: str, expected: str) -> None:
    (part,) = bill.of_jar(jar({"x": b""}), name)
    assert part.name == expected


def test_jars_in_jars_in_jars_end() -> None:
    deep = jar(properties("com.x", "deep", "1"))
    for _ in range(bill.DEEPEST_JAR):
        deep = jar({"a.jar": deep})
    assert set(bill.of_jar(deep, "a.jar")) == {Part("maven", "com.x/deep", "1")}
    assert not set(bill.of_jar(jar({"a.jar": deep}), "a.jar"))
    blanks = jar({f"{number}.jar": b" " * (1 << 20) for number in range(8)} | {"z.jar": jar(properties("c", "z", "1"))})
    assert set(bill.of_jar(blanks, "a.jar")) == {Part("maven", "c/z", "1")}
    assert not set(bill._of_archive(blanks, "a.jar", bill._Room(bytes=4 << 20), 0))


def matched(*parts: Part) -> list[str]:
    found = json.loads(bill.for_matching(bill.document("a", "1", "sha256:0", parts).encode()))["components"]
    return [item["purl"] for item in found]


def test_the_release_of_debian_is_told_by_base_files_or_by_an_update() -> None:
    zlib, old = Part("deb", "zlib1g", "1.3", source="zlib"), Part("deb", "base-files", "12.4+deb12u12")
    assert not matched(zlib)
    assert "pkg:deb/debian/zlib@1.3?distro=debian-12" in matched(zlib, old, Part("deb", "a", "1+deb13u1"))
    assert "pkg:deb/debian/zlib@1.3?distro=debian-13" in matched(zlib, Part("deb", "tzdata", "2026f-0+deb13u1"))
