"""Archives for tests: tar and zip of a few files."""

import io
import tarfile
import zipfile

FILES = {"app.py": b"one", "templates/page.html": b"<p>"}


def tar(files: dict[str, bytes], mode: str = "w", **extra: tarfile.TarInfo) -> bytes:
    """A tar of these files and of `extra` members."""
    out = io.BytesIO()
    with tarfile.open(None, mode, out) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for member in extra.values():
            archive.addfile(member)
    return out.getvalue()


def tgz(files: dict[str, bytes]) -> bytes:
    return tar(files, "w:gz")


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()
