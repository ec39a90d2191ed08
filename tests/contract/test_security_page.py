"""docs/security.md names tests and policies that exist, all policies, and says the same in both languages."""

import re
from pathlib import Path

from roost.capabilities.tenant import admission

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs" / name for name in ("security.md", "security.zh.md")]
_TEST = re.compile(r"`([a-z0-9_/.]+\.py)::(test_[a-z0-9_]+)`")
_POLICY = re.compile(r"`(roost-[a-z-]+)`")


def _named(page: Path) -> list[tuple[str, str]]:
    return _TEST.findall(page.read_text("utf-8"))


def test_every_test_that_is_named_is_there() -> None:
    named = _named(PAGES[0])
    assert len(named) > 30
    for file, test in named:
        assert f"def {test}(" in (ROOT / file).read_text("utf-8"), f"{file} has no {test}: who shows that wall now?"


def test_every_policy_is_named_and_no_other() -> None:
    installed = {item["metadata"]["name"] for item in admission.policies("roost.localhost")}
    assert set(_POLICY.findall(PAGES[0].read_text("utf-8"))) == installed


def test_both_languages_name_the_same() -> None:
    first, second = PAGES
    assert _named(first) == _named(second)
    assert _POLICY.findall(first.read_text("utf-8")) == _POLICY.findall(second.read_text("utf-8"))
