"""Which findings are shown, and that waivers count as they stand now."""

import pytest

from roost.api import findings as shown
from roost.api.findings import Wanted
from roost.model.findings import Finding, Findings
from roost.surface.problems import Problem


def finding(number: int, **more: object) -> Finding:
    made = {"tool": "t", "rule": "r", "severity": "high", "path": "src/a.py", "fingerprint": f"{number:016x}"}
    return Finding.model_validate({**made, **more})


HELD = Findings(
    items=(
        finding(1, kind="secret", waived=True),
        finding(2, kind="source", severity="low"),
        finding(3, kind="dependency", severity="critical", new=False, path="web/package-lock.json"),
    ),
    database="sha256:1",
)


def told(**wanted: object) -> list[int]:
    text = HELD.model_dump_json(by_alias=True).encode()
    found = shown.read(text, {f"{2:016x}"}, Wanted.model_validate(wanted))
    assert found.database == "sha256:1"
    return [int(item.fingerprint, 16) for item in found.items]


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        ({}, [1, 2, 3]),
        ({"kind": "source"}, [2]),
        ({"severity": "high"}, [1, 3]),
        ({"new": True}, [1, 2]),
        ({"new": False}, [3]),
        ({"waived": True}, [2]),
        ({"waived": False}, [1, 3]),
        ({"path": "web/"}, [3]),
        ({"kind": "secret", "severity": "critical"}, []),
    ],
)
def test_what_is_asked_for_is_shown(wanted: dict[str, object], numbers: list[int]) -> None:
    assert told(**wanted) == numbers


def test_what_is_held_of_an_earlier_version_can_be_read() -> None:
    old = b'{"items":[{"tool":"t","rule":"r","severity":"high","path":"a","fingerprint":"0000000000000001"}]}'
    assert shown.read(old, (), Wanted()).items[0].kind == "secret"


def test_what_cannot_be_read_is_no_server_error() -> None:
    for text in (b"{", b"[]", b'{"items": [{}]}', b"[" * 100_000):
        with pytest.raises(Problem):
            shown.read(text, (), Wanted())
