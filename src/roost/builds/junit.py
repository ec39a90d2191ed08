"""JUnit XML that a step left, read within bounds. No document type, no entity, nothing from outside: defusedxml.

There is no standard; what is read is what the tools write (surefire, pytest, jest, go-junit-report):
`<testsuites><testsuite><testcase classname name time><failure|error|skipped message>`.
"""

import math
from collections.abc import Iterable
from typing import IO, Final
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse
from pydantic import Field

from roost.model import kept
from roost.model.pipeline import TestReport
from roost.model.resource import Model

KIND: Final = kept.TESTS
LARGEST: Final = 8 << 20  # Bytes of a file.
DEEPEST: Final = 50
MOST_ELEMENTS: Final = 500_000
MOST_FILES: Final = 200
MOST_CASES: Final = 100_000  # Of a file; more is not counted.
MOST_TOLD: Final = 1000


def tag(run: str) -> str:
    """The tag of a run's results in the project's own repository."""
    return f"tests-{run}"


class JUnitWrong(ValueError):
    """A file that is no JUnit XML as it is wanted here."""


class Case(Model):
    """A test that did not pass."""

    step: str = Field("", max_length=30)
    name: str = Field(max_length=300)
    outcome: str = Field(max_length=10, description="failure or error.")
    message: str = Field("", max_length=1000)


class Tests(Model):
    """All of a run: counts, and each test that did not pass."""

    __test__ = False  # No test itself, whatever pytest thinks of its name.

    tests: int = Field(0, ge=0)
    failures: int = Field(0, ge=0)
    errors: int = Field(0, ge=0)
    skipped: int = Field(0, ge=0)
    seconds: float = Field(0, ge=0)
    cases: tuple[Case, ...] = Field((), max_length=MOST_TOLD)

    def plus(self, other: "Tests") -> "Tests":
        """Both together."""
        return Tests(
            tests=self.tests + other.tests,
            failures=self.failures + other.failures,
            errors=self.errors + other.errors,
            skipped=self.skipped + other.skipped,
            seconds=round(self.seconds + other.seconds, 3),
            cases=(self.cases + other.cases)[:MOST_TOLD],
        )

    def summary(self) -> TestReport:
        """As a Run's status tells it."""
        return TestReport(
            tests=self.tests,
            failures=self.failures,
            errors=self.errors,
            skipped=self.skipped,
            seconds=self.seconds,
            failed=tuple(case.name[:200] for case in self.cases[:10]),
        )


def read(file: IO[bytes], step: str = "") -> Tests:
    """One file. JUnitWrong."""
    bounded = _Bounded(file)
    counts = {"tests": 0, "failure": 0, "error": 0, "skipped": 0}
    cases: list[Case] = []
    seconds, depth, elements = 0.0, 0, 0
    try:
        for event, element in iterparse(bounded, ("start", "end"), forbid_dtd=True):
            depth += 1 if event == "start" else -1
            elements += event == "start"
            if depth > DEEPEST or elements > MOST_ELEMENTS:
                raise JUnitWrong(f"it is nested more than {DEEPEST} deep, or has more than {MOST_ELEMENTS} elements")
            if event == "start" or _tag(element) != "testcase":
                continue
            counts["tests"] += 1
            if counts["tests"] > MOST_CASES:
                raise JUnitWrong(f"it tells of more than {MOST_CASES} tests")
            seconds += _seconds(element)
            case = _case(element, step)
            for outcome in {_tag(child) for child in element} & set(counts):
                counts[outcome] += 1
            if case is not None and len(cases) < MOST_TOLD:
                cases.append(case)
            element.clear()
    except DefusedXmlException as error:
        raise JUnitWrong("it has a document type or entities, which are not taken") from error
    except (ParseError, ValueError, LookupError) as error:
        if isinstance(error, JUnitWrong):
            raise
        raise JUnitWrong(f"it is no XML: {error}"[:200]) from error
    return Tests(
        tests=counts["tests"],
        failures=counts["failure"],
        errors=counts["error"],
        skipped=counts["skipped"],
        seconds=round(seconds, 3),
        cases=tuple(cases),
    )


class _Bounded:
    """A file of which only so much is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._left = LARGEST

    def read(self, size: int = -1) -> bytes:
        """The next bytes. JUnitWrong beyond the limit."""
        text = self._file.read(min(size, 1 << 16) if size >= 0 else 1 << 16)
        self._left -= len(text)
        if self._left < 0:
            raise JUnitWrong(f"it is larger than {LARGEST >> 20} MiB")
        return text


def _tag(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _seconds(element: Element) -> float:
    try:
        value = float(element.get("time", "0").replace(",", ""))
    except ValueError:
        return 0.0
    return value if math.isfinite(value) and 0 <= value < 1e7 else 0.0


def _case(element: Element, step: str) -> Case | None:
    for child in element:
        outcome = _tag(child)
        if outcome in ("failure", "error"):
            name = ".".join(filter(None, (element.get("classname", ""), element.get("name", ""))))
            words = child.get("message") or (child.text or "").strip()
            return Case(step=step, name=name[:300], outcome=outcome, message=words[:1000])
    return None


def together(found: Iterable[Tests]) -> Tests:
    """All of them."""
    total = Tests()
    for one in found:
        total = total.plus(one)
    return total
