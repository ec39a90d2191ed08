"""Walls that are code: the attack does nothing, its twin works; and with the guard taken away the attack works."""

from pathlib import Path

import pytest

from tests.attack.walls import WALLS, Wall

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("wall", WALLS, ids=lambda wall: wall.name)
def test_the_attack_does_nothing_and_its_twin_works(wall: Wall, tmp_path: Path) -> None:
    for name in ("attack", "twin"):
        (tmp_path / name).mkdir()
    assert not wall.attack(tmp_path / "attack"), "It works."
    assert wall.twin(tmp_path / "twin"), "The harmless twin is refused."


@pytest.mark.parametrize("wall", WALLS, ids=lambda wall: wall.name)
def test_without_its_guard_the_attack_works(wall: Wall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*wall.guard, wall.instead)
    assert wall.attack(tmp_path), "Something else refuses it: this guard is none."
