"""The simulation finds bugs: every one that is planted, within a few histories that pass without it."""

import pytest

from tests.simulation import history, planted

HISTORIES = range(1, 41)


@pytest.mark.parametrize("bug", planted.BUGS, ids=lambda bug: str(bug.__name__))
def test_a_planted_bug_is_found(bug: planted.Bug, monkeypatch: pytest.MonkeyPatch) -> None:
    bug(monkeypatch)
    for seed in HISTORIES:
        try:
            history.play(seed)
        except AssertionError as found:
            print(found)
            assert f"Seed {seed}:" in str(found)
            return
    pytest.fail(f"{len(HISTORIES)} histories did not show that a controller {bug.__name__.replace('_', ' ')}.")
