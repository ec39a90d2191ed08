"""The bill of one of the platform's own images, out of its root file system."""

import io
import json
import tarfile
from pathlib import Path

from roost.node import sbom


def test_the_bill_names_what_is_in_the_root_file_system(tmp_path: Path) -> None:
    status = b"Package: bash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5\nSource: bash-src (5-1)\n"
    archive = tmp_path / "rootfs.tar"
    with tarfile.open(archive, mode="w") as written:
        member = tarfile.TarInfo("./var/lib/dpkg/status")
        member.size = len(status)
        written.addfile(member, io.BytesIO(status))
    assert sbom.write(archive, tmp_path / "bill.json", ("roost.internal/x", "k", "sha256:0")) == 1
    (component,) = json.loads((tmp_path / "bill.json").read_text())["components"]
    assert component["name"] == "bash" and "upstream=bash-src%405-1" in component["purl"]
