"""Reads the tutorial: blocks of shell, each with the answer that the page promises; and compares answers."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^```(sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True)
class Block:
    """Shell as it stands on the page, and the answer that follows it; empty: none is promised."""

    shell: str
    answer: str = ""


def blocks(page: Path) -> list[Block]:
    """The page's blocks in order."""
    found: list[Block] = []
    for kind, text in _FENCE.findall(page.read_text()):
        if kind == "sh":
            found.append(Block(text))
        else:
            found[-1] = Block(found[-1].shell, text)
    return found


def agrees(answer: str, said: str) -> bool:
    """Whether what was said is what the page promises: `...` is anything on a line, alone on a line any lines."""
    pattern = ""
    for line in answer.splitlines():
        if line.strip() == "...":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*".join(re.escape(part) for part in line.rstrip().split("...")) + r"[ \t]*\n"
    lines = (line.rstrip("\r").rpartition("\r")[2] for line in _COLOURS.sub("", said).rstrip("\n").split("\n"))
    plain = "".join(f"{line}\n" for line in lines)
    return re.fullmatch(pattern, plain) is not None


def script(found: Sequence[Block], folder: Path) -> str:
    """One bash script of all blocks; what block N says goes to `folder`/N, and the first failure ends it."""
    lines = ["set -eo pipefail"]
    for number, block in enumerate(found):
        lines += [f"exec >{folder}/{number} 2>&1", block.shell]
    return "\n".join(lines)
