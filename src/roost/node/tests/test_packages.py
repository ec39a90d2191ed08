"""Debian packages: which are missing, and what is told when they cannot be installed."""

from collections.abc import Sequence

import pytest

from roost.node import packages
from roost.node.packages import PackagesMissing, ensure, missing
from roost.node.run import CommandFailed

STATUS = "gcc\tinstall ok installed\nlibseccomp-dev\tunknown ok not-installed\n"


def test_only_what_is_not_installed_is_missing() -> None:
    assert missing(["gcc", "libseccomp-dev", "nft", "nft"], STATUS) == ["libseccomp-dev", "nft"]


class Apt:
    """Stands in for dpkg, dpkg-query and apt-get; `lists` tells whether the package lists are fresh, `whole` whether
    the last installation ended."""

    def __init__(self, lists: bool, broken: str = "", whole: bool = True) -> None:
        self.lists, self.broken, self.whole, self.calls = lists, broken, whole, list[str]()

    def __call__(self, argv: Sequence[str], **_: object) -> str:
        if argv[0] == "dpkg-query":
            return STATUS
        self.calls.append(argv[1])
        if argv[1] == "update":
            self.lists = True
        elif argv[1] == "--configure":
            self.whole = True
        elif not self.whole:
            raise CommandFailed(argv, "ended with 100", "E: dpkg was interrupted, you must manually run ...")
        elif self.broken:
            raise CommandFailed(argv, "ended with 100", self.broken)
        elif not self.lists:
            raise CommandFailed(argv, "ended with 100", "E: Unable to locate package nft")
        return ""


@pytest.fixture(autouse=True)
def as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)


def test_nothing_is_done_when_all_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    apt = Apt(lists=True)
    monkeypatch.setattr(packages, "run", apt)
    assert ensure(["gcc"]) == []
    assert apt.calls == []


@pytest.mark.parametrize(
    ("lists", "whole", "calls"),
    [
        (True, True, ["install"]),
        (False, True, ["install", "update", "install"]),
        (True, False, ["install", "--configure", "install"]),
        (False, False, ["install", "--configure", "install", "update", "install"]),
    ],
)
def test_only_what_is_wrong_is_put_right(
    monkeypatch: pytest.MonkeyPatch, lists: bool, whole: bool, calls: list[str]
) -> None:
    apt = Apt(lists, whole=whole)
    monkeypatch.setattr(packages, "run", apt)
    assert ensure(["gcc", "nft"]) == ["nft"]
    assert apt.calls == calls


def test_a_failure_names_the_packages_and_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "run", Apt(lists=True, broken="E: Could not get lock"))
    with pytest.raises(PackagesMissing, match=r"nft(.|\n)*Could not get lock"):
        ensure(["nft"])


def test_without_root_the_command_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr(packages, "run", Apt(lists=True))
    with pytest.raises(PackagesMissing, match="apt-get install nft"):
        ensure(["nft"])
