"""The log of moves: what counts as a move, after crashes and races as well."""

from pathlib import Path

from roost.gitserver import moves
from roost.gitserver.moves import ZERO, Line

A, B, C = "a" * 40, "b" * 40, "c" * 40
MAIN = "refs/heads/main"


def line(old: str, new: str, ref: str = MAIN, push: str = "p") -> Line:
    return Line(ref, old, new, "ada", push)


def attempts(lines: list[Line], refs: dict[str, str]) -> list[tuple[str, int]]:
    return [(move.commit, move.attempt) for move in moves.came_to_be(lines, refs)]


def test_each_move_of_a_ref_counts_once() -> None:
    assert attempts([line(ZERO, A), line(A, B), line(B, A)], {MAIN: A}) == [(A, 1), (B, 2), (A, 3)]


def test_refs_are_counted_apart() -> None:
    lines = [line(ZERO, A), line(ZERO, B, "refs/heads/dev"), line(A, C)]
    assert attempts(lines, {MAIN: C, "refs/heads/dev": B}) == [(A, 1), (B, 1), (C, 2)]


def test_a_move_that_git_did_not_commit_is_none_and_its_number_is_not_given_again() -> None:
    lines = [line(ZERO, A), line(A, B)]
    assert attempts(lines, {MAIN: A}) == [(A, 1)]
    assert attempts([*lines, line(A, B)], {MAIN: B}) == [(A, 1), (B, 3)]


def test_a_deletion_is_no_move_and_the_count_goes_on() -> None:
    assert attempts([line(ZERO, A), line(A, ZERO), line(ZERO, A)], {MAIN: A}) == [(A, 1), (A, 3)]
    assert attempts([line(ZERO, A), line(A, ZERO)], {}) == [(A, 1)]


def test_a_torn_line_is_passed_over_and_closed(tmp_path: Path) -> None:
    moves.append(tmp_path, [line(ZERO, A)])
    with (tmp_path / moves.LOG).open("a") as file:
        file.write('{"ref":"refs/heads/ma')
    moves.append(tmp_path, [line(A, B)])
    assert moves.read(tmp_path) == [line(ZERO, A), line(A, B)]


def test_marks_survive_and_a_broken_file_means_to_look_again(tmp_path: Path) -> None:
    assert moves.read_done(tmp_path) == {}
    moves.write_done(tmp_path, {MAIN: 3})
    assert moves.read_done(tmp_path) == {MAIN: 3}
    (tmp_path / moves.DONE).write_text("")
    assert moves.read_done(tmp_path) == {}


def test_all_refs_are_counted_together() -> None:
    lines = [line(ZERO, A), line(ZERO, B, "refs/heads/dev"), line(A, C), line(ZERO, A, "refs/tags/v1")]
    refs = {MAIN: C, "refs/heads/dev": B, "refs/tags/v1": A}
    assert [move.sequence for move in moves.came_to_be(lines, refs)] == [1, 2, 3, 4]


def test_of_a_push_with_many_tags_only_the_branch_is_built() -> None:
    tags = [f"refs/tags/v{number}" for number in range(4)]
    lines = [line(ZERO, A, tag, "many") for tag in tags] + [line(ZERO, A, push="many")]
    lines += [line(ZERO, B, "refs/tags/w1", "few"), line(ZERO, B, "refs/tags/x", "few")]
    refs = {**dict.fromkeys(tags, A), MAIN: A, "refs/tags/w1": B, "refs/tags/x": B}
    built = moves.building(moves.came_to_be(lines, refs), MAIN, lambda ref: ref != "refs/tags/x")
    assert [move.ref for move in built] == [MAIN, "refs/tags/w1"]
    assert moves.building(moves.came_to_be(lines, refs), MAIN, lambda ref: False) == []
