"""JUnit XML of a stranger."""

import io

import pytest

from roost.builds import junit
from roost.builds.junit import JUnitWrong

WHOLE = b"""<?xml version="1.0"?>
<testsuites><testsuite name="pytest" tests="4">
<testcase classname="tests.test_a" name="test_one" time="0.5"/>
<testcase classname="tests.test_a" name="test_two" time="1.25">
<failure message="assert 1 == 2">trace</failure></testcase>
<testcase classname="tests.test_a" name="test_three" time="x"><skipped/></testcase>
<testcase name="test_four" time="-1"><error>boom</error></testcase>
</testsuite></testsuites>"""


def read(text: bytes) -> junit.Tests:
    return junit.read(io.BytesIO(text), "test")


def test_tests_are_counted() -> None:
    found = read(WHOLE)
    assert (found.tests, found.failures, found.errors, found.skipped, found.seconds) == (4, 1, 1, 1, 1.75)
    assert [(case.name, case.outcome, case.message) for case in found.cases] == [
        ("tests.test_a.test_two", "failure", "assert 1 == 2"),
        ("test_four", "error", "boom"),
    ]
    assert found.plus(found).summary().failed == ("tests.test_a.test_two", "test_four") * 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b'<!DOCTYPE x [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><testsuite name="&b;"/>', "document type"),
        (b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><testsuite>&a;</testsuite>', "document type"),
        (b'<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd"><testsuite/>', "document type"),
        (b"<a>" * 1000 + b"</a>" * 1000, "nested more than 50 deep"),
        (b"<t>" + b"<a/>" * 600_000 + b"</t>", "500000 elements"),
        (b"<t>" + b" " * (9 << 20) + b"</t>", "larger than 8 MiB"),
        (b"<testsuite>", "no XML"),
        (b"\x00\xff", "no XML"),
        (b'<?xml version="1.0" encoding="nonsense"?><t/>', "no XML"),
        (b"<t>" + b"<testcase/>" * 100_001 + b"</t>", "more than 100000 tests"),
    ],
)
def test_a_bomb_is_refused(text: bytes, told: str) -> None:
    with pytest.raises(JUnitWrong, match=told):
        read(text)
