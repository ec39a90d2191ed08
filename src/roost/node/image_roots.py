"""Root file systems out of Debian packages, kept as OCI layouts that Containerfiles name in FROM.

Called by `roost.node.images`. mmdebstrap does the work; here it gets the site's mirrors, and what is particular to this
machine (its resolver, its name) is taken out again, so that the same packages make the same bytes.
"""

import hashlib
import json
import platform
import shutil
import subprocess
from pathlib import Path

from roost.node.image_recipe import Root
from roost.node.image_settings import ImageSettings

EPOCH = (
    1_793_491_200  # SOURCE_DATE_EPOCH of everything that is made: 2026-11-01, so that bytes do not depend on the day.
)
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
FORMAT = 1  # Raised when what is made here changes without a change of its inputs.
DPKG_OPTIONS = (
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/locale/*",
)
# Nothing starts services in an image, and downloaded packages would only make layers bigger.
HOOKS = (
    """echo 'APT::Keep-Downloaded-Packages "false";' >"$1/etc/apt/apt.conf.d/90image" """,
    """printf '#!/bin/sh\\nexit 101\\n' >"$1/usr/sbin/policy-rc.d"; chmod 755 "$1/usr/sbin/policy-rc.d" """,
    """rm -f "$1/etc/resolv.conf" "$1/etc/hostname" "$1"/etc/passwd- "$1"/etc/group- "$1"/etc/*shadow- """,
    """rm -rf "$1/var/log/apt" "$1/var/log/dpkg.log" "$1/var/log/alternatives.log" "$1/var/cache/ldconfig" """,
)


class RootFailed(RuntimeError):
    """mmdebstrap did not make a root file system; the text holds its last lines."""


def architecture() -> str:
    """This machine's architecture as images name it."""
    return ARCHITECTURES.get(platform.machine(), platform.machine())


def root_key(root: Root, settings: ImageSettings) -> str:
    """What a root file system is made of, as 16 hexadecimal digits."""
    made_of = [FORMAT, EPOCH, architecture(), root.model_dump(), settings.apt_lines(root.suite), DPKG_OPTIONS, HOOKS]
    if settings.bake_trust:
        made_of.append(hashlib.sha256(settings.trust_bundle.read_bytes()).hexdigest())
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:16]


def mmdebstrap_command(root: Root, settings: ImageSettings, target: Path) -> list[str]:
    """The command that makes one root file system as a tar file."""
    packages = ["ca-certificates", *root.packages]
    command = [
        "mmdebstrap",
        "--quiet",
        "--mode=root",
        "--variant=minbase",
        "--format=tar",
        f"--include={','.join(packages)}",
    ]
    command += [f"--dpkgopt={option}" for option in DPKG_OPTIONS]
    if settings.trust_bundle.is_file():
        command.append(
            f'--setup-hook=echo \'Acquire::https::CAInfo "{settings.trust_bundle}";\' >"$1/etc/apt/apt.conf.d/90build"'
        )
        command.append('--customize-hook=rm -f "$1/etc/apt/apt.conf.d/90build"')
    if settings.bake_trust:
        command.append(f"--customize-hook=copy-in {settings.trust_bundle} /usr/local/share/ca-certificates")
        given = f'"$1/usr/local/share/ca-certificates/{settings.trust_bundle.name}"'
        command.append(f'--customize-hook=mv {given} "$1/usr/local/share/ca-certificates/site-trust.crt"')
        command.append('--customize-hook=chroot "$1" update-ca-certificates')
    command += [f"--customize-hook={hook}" for hook in HOOKS]
    return [*command, root.suite, str(target), *settings.apt_lines(root.suite)]


def make_root(root: Root, settings: ImageSettings, directory: Path, environment: dict[str, str]) -> None:
    """Make `directory`, an OCI layout whose one image is the root file system. It appears whole or not at all.

    RootFailed when mmdebstrap fails.
    """
    work = directory.with_name(f".{directory.name}.new")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        tar = work / "rootfs.tar"
        done = subprocess.run(
            mmdebstrap_command(root, settings, tar),
            env={**environment, "SOURCE_DATE_EPOCH": str(EPOCH)},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode != 0:
            raise RootFailed(f"mmdebstrap could not make {root.suite} (exit {done.returncode}):\n{done.stderr[-3000:]}")
        write_layout(tar, work)
        work.rename(directory)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def write_layout(tar: Path, directory: Path) -> None:
    """Turn a tar file inside `directory` into an OCI layout there whose one image has it as its only layer."""
    blobs = directory / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    with tar.open("rb") as stream:
        layer = hashlib.file_digest(stream, "sha256").hexdigest()
    size = tar.stat().st_size
    tar.rename(blobs / layer)
    created = "2026-11-01T00:00:00Z"
    config = _blob(
        blobs,
        {
            "created": created,
            "architecture": architecture(),
            "os": "linux",
            "config": {
                "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
                "Cmd": ["/bin/sh"],
            },
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer}"]},
            "history": [{"created": created, "created_by": "mmdebstrap"}],
        },
    )
    image = "application/vnd.oci.image"
    manifest = _blob(
        blobs,
        {
            "schemaVersion": 2,
            "mediaType": f"{image}.manifest.v1+json",
            "config": {"mediaType": f"{image}.config.v1+json", **config},
            "layers": [{"mediaType": f"{image}.layer.v1.tar", "digest": f"sha256:{layer}", "size": size}],
        },
    )
    index = {"schemaVersion": 2, "manifests": [{"mediaType": f"{image}.manifest.v1+json", **manifest}]}
    (directory / "index.json").write_text(json.dumps(index))
    (directory / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


def layout_digest(directory: Path) -> str:
    """Digest of the one image in an OCI layout, `sha256:...`."""
    digest = json.loads((directory / "index.json").read_text())["manifests"][0]["digest"]
    return str(digest)


def _blob(blobs: Path, content: object) -> dict[str, str | int]:
    data = json.dumps(content, sort_keys=True).encode()
    digest = hashlib.sha256(data).hexdigest()
    (blobs / digest).write_bytes(data)
    return {"digest": f"sha256:{digest}", "size": len(data)}
