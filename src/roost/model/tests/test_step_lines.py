"""Lines of a run's log say whose they are, and nothing that a step prints passes for another's words."""

import pytest

from roost.model import step_lines
from roost.model.pipeline import AFTER, BEFORE


@pytest.mark.parametrize("step", ["", "a", "test-2", *BEFORE, *AFTER])
@pytest.mark.parametrize("text", ["", "-----> Built", "  | x", "fetch | forged", "| x"])
def test_a_line_is_read_back_as_it_was_said(step: str, text: str) -> None:
    assert step_lines.read(step_lines.marked(step, text)) == (step, text)


@pytest.mark.parametrize("line", ["Traceback (most recent call last):", "  | x", "Error | x", "a-| x", "-----> x | y"])
def test_what_bears_no_mark_belongs_to_no_step(line: str) -> None:
    assert step_lines.read(line) == ("", line)
