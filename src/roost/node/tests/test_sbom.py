"""What a bill of materials finds in an image, and that the same content makes the same bill."""

import io
import json
import tarfile
from pathlib import Path

from roost.node import sbom
from roost.node.sbom import Part

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
    assert list(sbom.parts_of_dpkg(STATUS)) == [Part("deb", "bash", "5.2.37-2+b10", "amd64")]


def test_a_replaced_go_module_counts_as_its_replacement_and_a_local_one_as_itself() -> None:
    assert sorted(part.purl for part in sbom.parts_of_go(GO)) == [
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
    found = sbom.parts_of_rootfs(rootfs(files), go="/nonexistent")
    assert [part.purl for part in found] == [
        "pkg:deb/debian/bash@5.2.37-2%2Bb10?arch=amd64",
        "pkg:deb/debian/catatonit@1%3A0.2",
        "pkg:npm/%40scope/part@2.0.0",
        "pkg:npm/npm@11.0.1",
        "pkg:pypi/flask-thing@3.1",
    ]


def test_a_program_that_is_not_go_has_no_modules() -> None:
    assert sbom.go_modules(io.BytesIO(b"\x7fELF" + b"\0" * 100), go="/nonexistent") == []


def test_the_same_parts_make_the_same_bytes(tmp_path: Path) -> None:
    parts = [Part("pypi", "b", "2"), Part("pypi", "a", "1"), Part("pypi", "a", "1")]
    first = sbom.document("roost.internal/x", "k", "sha256:0", parts)
    assert first == sbom.document("roost.internal/x", "k", "sha256:0", reversed(parts))
    body = json.loads(first)
    assert (body["bomFormat"], body["specVersion"]) == ("CycloneDX", "1.6")
    assert [component["name"] for component in body["components"]] == ["a", "b"]
    archive = tmp_path / "rootfs.tar"
    archive.write_bytes(rootfs({"var/lib/dpkg/status": (STATUS.encode(), 0o644)}).read())
    assert sbom.write(archive, tmp_path / "bill.json", ("roost.internal/x", "k", "sha256:0"), "go") == 1
    assert json.loads((tmp_path / "bill.json").read_text())["components"][0]["name"] == "bash"
