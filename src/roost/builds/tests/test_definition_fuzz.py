"""Whatever stands in a definition: an answer or a refusal in words, in little time, never anything else."""

import contextlib

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roost.builds import gitlab_ci, roost_file, tree
from roost.builds.roost_file import FileWrong
from roost.builds.run_log import plain
from roost.model.pipeline import Pipeline

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
KEYS = st.sampled_from(
    ["pipeline", "steps", "name", "commands", "script", "image", "stages", "stage", "env", "variables", "cache"]
    + ["artifacts", "paths", "reports", "junit", "retry", "max", "timeout", "default", "limits", "when", "secrets"]
) | st.text(max_size=8)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4))
FEW = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@FEW
@given(st.dictionaries(KEYS, VALUES, max_size=5) | VALUES)
def test_any_structure_is_read_or_refused_in_words(value: object) -> None:
    text = yaml.safe_dump(value, allow_unicode=True).encode("utf-8", "surrogatepass")
    with contextlib.suppress(FileWrong):
        read = roost_file.read(text)
        assert read.pipeline is None or isinstance(read.pipeline, Pipeline)
    reading = gitlab_ci.read(text, "acme", "a" * 40, "refs/heads/main")
    assert all(len(remark) <= 300 for remark in reading.remarks) and len(reading.remarks) <= 30
    Pipeline.model_validate_json(reading.pipeline.model_dump_json())


@FEW
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_in_words(text: bytes) -> None:
    with contextlib.suppress(FileWrong):
        roost_file.read(text)
    gitlab_ci.read(text, "acme", "a" * 40, "refs/heads/main")


@FEW
@given(st.text(max_size=300))
def test_no_line_of_a_log_steers_a_terminal(line: str) -> None:
    shown = plain(line)
    assert not any((ord(sign) < 32 and sign != "\t") or 127 <= ord(sign) < 160 for sign in shown)


@pytest.mark.parametrize("pattern", ["**/**/**/**/**/**/x", "*a*a*a*a*a*a*a*a*b", "**/" * 60 + "x"])
def test_no_pattern_takes_long(pattern: str) -> None:
    path = "/".join(["a" * 30] * 60)
    assert not tree.matches(path, [pattern])
