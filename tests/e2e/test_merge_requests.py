"""A merge request has an application of its own until it is closed; an archive becomes a version."""

import io
import tarfile
from pathlib import Path

import pytest
from tests.e2e.conftest import Person, commit, get, kubectl, kubectl_json, repository, small_app, until
from tests.e2e.page import CONTAINERFILE, PROGRAM

pytestmark = [pytest.mark.e2e, pytest.mark.full]


def files(version: str) -> dict[str, str]:
    """The smallest application."""
    return {"Containerfile": CONTAINERFILE, "app.py": PROGRAM.replace("VERSION", version)}


def apps(tenant: str) -> list[str]:
    """Applications of the first environment."""
    return sorted(
        item["metadata"]["name"] for item in kubectl_json("-n", f"{tenant}-dev", "get", "apps.roost.dev")["items"]
    )


def test_a_merge_request_serves_by_itself_until_it_is_closed(member: Person, tmp_path: Path) -> None:
    tenant = member.tenant
    allowed = '[{"op": "add", "path": "/spec/environments/0/previews", "value": true}]'
    kubectl("patch", "tenants.roost.dev", tenant, "--type=json", "-p", allowed)
    member.roost("project", "create", "menu", "--previews", "dev")
    small_app(tenant, "menu")
    path = repository(member, tmp_path / "menu", files("main"))
    member.git("push", member.remote("menu"), "main", cwd=path)
    until(lambda: get(f"http://menu-dev.{tenant}.roost.localhost").body == "main", "the branch to serve", 300)
    commit(member, path, files("request"), "A change.")
    member.git("push", member.remote("menu"), "HEAD:refs/merge-requests/7/head", cwd=path)
    url = f"http://menu-mr-7-dev.{tenant}.roost.localhost"
    until(lambda: get(url).body == "request", "the merge request to serve", 300)
    assert get(f"http://menu-dev.{tenant}.roost.localhost").body == "main"
    (preview,) = kubectl_json("-n", f"{tenant}-build", "get", "previews.roost.dev")["items"]
    assert preview["spec"]["app"] == "menu-mr-7"
    member.git("push", member.remote("menu"), ":refs/merge-requests/7/head", cwd=path)
    until(lambda: "menu-mr-7" not in apps(tenant), "the preview's application to go", 120)
    until(lambda: not kubectl_json("-n", f"{tenant}-build", "get", "previews.roost.dev")["items"], "the preview to go")
    assert "menu" in apps(tenant)


def test_an_archive_becomes_a_version_once(member: Person, tmp_path: Path) -> None:
    tenant = member.tenant
    member.roost("project", "create", "parcel", "--archive")
    small_app(tenant, "parcel")
    archive = tmp_path / "parcel-1.0.tar.gz"
    with tarfile.open(archive, "w:gz") as made:
        for name, text in files("packed").items():
            item = tarfile.TarInfo(f"parcel-1.0/{name}")
            item.size = len(text)
            made.addfile(item, io.BytesIO(text.encode()))
    member.roost("project", "upload", "parcel", str(archive))
    until(lambda: get(f"http://parcel-dev.{tenant}.roost.localhost").body == "packed", "the archive to serve", 300)
    again = member.roost("project", "upload", "parcel", str(archive))
    assert "nothing was made" in again.out + again.err
    runs = kubectl_json("-n", f"{tenant}-build", "get", "runs.roost.dev", "-l", "roost.dev/project=parcel")["items"]
    assert len(runs) == 1
