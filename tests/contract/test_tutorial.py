"""The tutorial in both languages has the same blocks; and the reader of answers knows right from wrong."""

from pathlib import Path

import pytest
from tests.e2e.tutorial import agrees, blocks

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_both_languages_say_the_same_to_the_machine() -> None:
    assert blocks(DOCS / "tutorial.zh.md") == blocks(DOCS / "tutorial.md")
    assert len(blocks(DOCS / "tutorial.md")) > 10


@pytest.mark.parametrize(
    ("answer", "said", "right"),
    [
        ("one\n", "one\n", True),
        ("one\n", "one  \n", True),
        ("one\n", "two\n", False),
        ("one\n", "one\nmore\n", False),
        ("...\none\n", "a\nb\none\n", True),
        ("v... is live\n...\n", "v12 is live\nx\ny\n", True),
        ("v... is live\n", "is live\n", False),
        ("a\n...\nb\n", "a\nb\n", True),
        ("...x...\n...y...\n", "(x)\n(y)\n", True),
        ("...x...\n...y...\n", "(y)\n(x)\n", False),
        ("green\n", "\x1b[32mgreen\x1b[0m\n", True),
        ("done\n", "10 %\r20 %\rdone\n", True),
    ],
)
def test_an_answer_agrees_or_not(answer: str, said: str, right: bool) -> None:
    assert agrees(answer, said) is right
