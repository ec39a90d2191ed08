"""Where images take packages from: the site's setting, else what the machine's own apt uses."""

from pathlib import Path

import pytest

from roost.node.image_settings import ImageSettings, MirrorMissing, machine_mirrors

NEW = """\
Types: deb deb-src
# a comment
URIs: http://mirror.example/debian/
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
"""
OLD = """\
# deb http://off.example/debian bookworm main
deb http://other.example/nodesource nodistro nodejs
deb [signed-by=/k.gpg arch=amd64] https://old.example/debian bookworm main contrib # mine
deb https://old.example/security bookworm-security main
"""


def sources(tmp_path: Path, new: str = "", old: str = "") -> Path:
    (tmp_path / "sources.list.d").mkdir()
    if new:
        (tmp_path / "sources.list.d" / "debian.sources").write_text(new)
    if old:
        (tmp_path / "sources.list").write_text(old)
    return tmp_path


def test_the_new_format_of_sources_is_read(tmp_path: Path) -> None:
    found = machine_mirrors(sources(tmp_path, new=NEW))
    assert found == ("http://mirror.example/debian", "http://mirror.example/debian-security")


def test_the_old_format_of_sources_is_read(tmp_path: Path) -> None:
    assert machine_mirrors(sources(tmp_path, old=OLD)) == ("https://old.example/debian", "https://old.example/security")


def test_a_disabled_source_does_not_count(tmp_path: Path) -> None:
    with pytest.raises(MirrorMissing, match="ROOST_MIRRORS"):
        machine_mirrors(sources(tmp_path, new=NEW.replace("Types", "Enabled: no\nTypes")))


def test_a_site_that_names_mirrors_is_not_mixed_with_the_machines(tmp_path: Path) -> None:
    environment = {"ROOST_MIRRORS": "apt=http://site/debian pip=http://site/pip", "ROOST_BAKE_TRUST": "yes"}
    settings = ImageSettings.read(environment, sources(tmp_path, new=NEW))
    assert settings.apt_lines("trixie") == [
        "deb http://site/debian trixie main",
        "deb http://site/debian trixie-updates main",
    ]
    assert settings.pip == "http://site/pip" and settings.bake_trust


def test_without_a_setting_the_machines_mirrors_are_used_for_any_suite(tmp_path: Path) -> None:
    settings = ImageSettings.read({"ROOST_BUILD_TRUST": "/ca.pem"}, sources(tmp_path, new=NEW))
    assert settings.apt_lines("trixie")[-1] == "deb http://mirror.example/debian-security trixie-security main"
    assert settings.trust_bundle == Path("/ca.pem") and not settings.bake_trust
