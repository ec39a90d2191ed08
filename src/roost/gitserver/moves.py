"""The durable log of a repository's moves: what each push did to each ref, and which moves already have their Run.

Written by the hook while git holds the ref's lock, so the moves of one ref stand in their true order; read by the
server. A line is written before git commits the move, so a line may speak of a move that never came to be: it counts
only when the next line of the same ref starts where it ended, or, for the last one, when the ref stands there.
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from roost.gitserver import moves_log

LOG, ZERO = moves_log.LOG, moves_log.ZERO
DONE = "roost-moves.done"
BUILT_AT_ONCE = 3  # Refs beside the project's branch that one push has built.


@dataclass(frozen=True)
class Line:
    """One line of the log. `push` is the server's id of the push, `person` who pushed."""

    ref: str
    old: str
    new: str
    person: str
    push: str


@dataclass(frozen=True)
class Move:
    """A move that came to be. `attempt` counts the lines of its ref from 1, `sequence` those of all refs; neither ever
    changes. `commit`: what the ref points to; of an annotated tag it is the tag.
    """

    ref: str
    commit: str
    attempt: int
    person: str
    push: str
    sequence: int = 0


def append(repository: Path, lines: Iterable[Line]) -> None:
    """Add lines and flush them to the disk."""
    moves_log.append(repository, map(vars, lines))


def read(repository: Path) -> list[Line]:
    """All whole lines, in order; none where there is no log."""
    try:
        raw = (repository / LOG).read_bytes()
    except FileNotFoundError:
        return []
    lines = []
    for text in raw.split(b"\n"):
        try:
            lines.append(Line(**json.loads(text)))
        except (ValueError, TypeError):
            continue  # Torn by a crash: git cannot have committed that move, since the hook had not returned.
    return lines


def came_to_be(lines: Iterable[Line], refs: Mapping[str, str]) -> list[Move]:
    """The moves that git committed, in order. `refs`: what each ref points to now. Deletions are no moves."""
    by_ref: dict[str, list[Line]] = {}
    order = []
    for line in lines:
        mine = by_ref.setdefault(line.ref, [])
        mine.append(line)
        order.append((line, len(mine)))
    moves = []
    for sequence, (line, attempt) in enumerate(order, start=1):
        mine = by_ref[line.ref]
        after = mine[attempt].old if attempt < len(mine) else refs.get(line.ref, ZERO)
        if after == line.new and line.new != ZERO:
            moves.append(Move(line.ref, line.new, attempt, line.person, line.push, sequence))
    return moves


def building(moved: Iterable[Move], branch: str, starts: Callable[[str], bool]) -> list[Move]:
    """The moves that are built. `starts`: whether a ref is; `branch`: the full name of the project's.

    Where one push moves many other refs, as `git push --tags` does and a first look at a foreign repository, none of
    these is built, as forges do it: nobody meant a run of each.
    """
    found = [move for move in moved if starts(move.ref)]
    many = Counter(move.push for move in found if move.ref != branch)
    return [move for move in found if move.ref == branch or many[move.push] <= BUILT_AT_ONCE]


def read_done(repository: Path) -> dict[str, int]:
    """For each ref the highest attempt whose Run is known to exist, or that was passed over."""
    try:
        done = json.loads((repository / DONE).read_text())
    except (FileNotFoundError, ValueError):
        return {}  # Everything is tried again; names that follow from the move keep that harmless.
    return {str(ref): int(attempt) for ref, attempt in done.items()}


def write_done(repository: Path, done: Mapping[str, int]) -> None:
    """Replace the marks as a whole, durably."""
    fresh = repository / f"{DONE}.new"
    with fresh.open("w") as file:
        json.dump(dict(done), file)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(repository / DONE)
