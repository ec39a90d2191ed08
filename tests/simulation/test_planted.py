"""The simulation finds bugs: every one that is planted, within a few histories that pass without it."""

import pytest

from tests.simulation import history, planted

HISTORIES = range(1, 61)
# Where each was found when this was written: tried first, because it is quicker than to look from the beginning.
FOUND = {
    "misses_what_happens_during_a_look": 25,
    "never_tries_again": 14,
    "takes_a_conflict_for_done": 11,
    "overlooks_deletions_in_a_list": 23,
    "goes_on_after_410_without_a_list": 16,
    "watches_from_now_instead_of_from_the_list": 7,
    "looks_at_its_own_kind_only": 13,
    "deletes_by_name": 29,
    "leads_on_after_its_lease": 25,
    "takes_a_lease_that_another_holds": 7,
}


@pytest.mark.parametrize("bug", planted.BUGS, ids=lambda bug: str(bug.__name__))
def test_a_planted_bug_is_found(bug: planted.Bug, monkeypatch: pytest.MonkeyPatch) -> None:
    bug(monkeypatch)
    first = FOUND.get(bug.__name__, 1)
    for seed in (first, *HISTORIES):
        try:
            history.play(seed)
        except AssertionError as found:
            assert f"Seed {seed}:" in str(found)
            return
    pytest.fail(f"{len(HISTORIES)} histories did not show that a controller {bug.__name__.replace('_', ' ')}.")
