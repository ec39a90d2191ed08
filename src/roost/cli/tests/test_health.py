"""`roost health`: shows what an instance is asked, and changes that and nothing else."""

import pytest

from roost.cli.tests.conftest import Roost
from roost.cli.tests.fake_api import APP


def health(roost: Roost) -> object:
    """What the App says of web."""
    return roost.api.objects[APP]["spec"]["processes"][0].get("health")


def test_a_path_is_set_shown_and_taken_away(roost: Roost) -> None:
    assert "that its port is open" in roost("health").out
    said = roost("health", "--path", "/healthz", "--start", "90")
    assert said.code == 0, said.err
    assert health(roost) == {"path": "/healthz", "startS": 90}
    assert roost.api.objects[APP]["spec"]["processes"][0]["replicas"] == 2
    shown = roost("health").out
    assert "/healthz" in shown and "90 s" in shown
    assert roost("health", "web", "--port").code == 0
    assert health(roost) == {"path": "", "startS": 90}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--path", "healthz"), 2),
        (("--path", "/", "--port"), 2),
        (("--start", "1"), 2),
        (("web",), 2),
        (("worker", "--path", "/"), 3),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_sent(roost: Roost, arguments: tuple[str, ...], code: int) -> None:
    said = roost("health", *arguments)
    assert said.code == code, said.err
    assert health(roost) is None
