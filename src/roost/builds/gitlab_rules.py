"""Whether a job of a `.gitlab-ci.yml` is part of a run: `rules` with `if`, `only`, `except`; and what its values mean.

A stranger's pattern cannot take long: what is read of regular expressions is a sequence of plain pieces without groups,
and all ways through it are followed at once (as in Thompson, "Regular Expression Search Algorithm", 1968). What is not
understood raises RuleUnknown; guessing would run what should not run.
Sources: GitLab documentation, "CI/CD job rules" (https://docs.gitlab.com/ci/jobs/job_rules/) and "CI/CD YAML syntax
reference" (https://docs.gitlab.com/ci/yaml/).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

LONGEST: Final = 500  # Characters of a condition.
LONGEST_TEXT: Final = 250  # That a pattern is looked for in; no ref is longer.
DEEPEST: Final = 20
MOST_RULES: Final = 50
_TOKEN: Final = re.compile(
    r"\s*(?:(?P<variable>\$\{?[A-Za-z_][A-Za-z0-9_]*\}?)|(?P<text>\"[^\"]*\"|'[^']*')|(?P<null>null\b)"
    r"|(?P<pattern>/(?:[^/\\]|\\.)+/i?)|(?P<sign>==|!=|=~|!~|&&|\|\||\(|\)))"
)
_PIECE: Final = re.compile(r"(\\[./\-d+w]|[A-Za-z0-9_ :@,~#/-]|\.|\[\^?[A-Za-z0-9_./-]+\])([+*?]?)")
_ALTERNATIVES: Final = re.compile(r"(\^?)\(([A-Za-z0-9_/.|\\-]+)\)(\$?)\Z")  # ^(main|develop)$
# Of GitLab's own variables those that a run may be without; of any other it cannot be said here what it would hold.
_ABSENT: Final = ("CI_COMMIT_TAG", "CI_COMMIT_BRANCH", "CI_MERGE_REQUEST_IID")
_OWN: Final = ("CI_", "GITLAB_")
_WHEN: Final = frozenset(["on_success", "always", "never", "manual", "delayed", "on_failure"])


class RuleUnknown(ValueError):
    """What of a rule is not supported."""


@dataclass(frozen=True)
class Part:
    """Whether a job is part of the run. when: as GitLab has it. variables: what the rule that matched gives the job."""

    when: str = "on_success"
    allow_failure: bool | None = None
    variables: tuple[str, ...] = ()  # Names; their values stand at `place` in the file.
    place: int = 0

    @property
    def taken(self) -> bool:
        """Whether it runs at all."""
        return self.when != "never"


def judge(job: Mapping[str, Any], known: Mapping[str, str]) -> Part:
    """What a job's `rules`, or its `only` and `except`, say for a run with these variables. RuleUnknown."""
    if "rules" in job:
        return _rules(job["rules"], known)
    only, without = job.get("only"), job.get("except")
    if only is not None and not _refs("only", only, known):
        return Part("never")
    if without is not None and _refs("except", without, known):
        return Part("never")
    return Part(str(job.get("when", "on_success")))


def _rules(rules: Any, known: Mapping[str, str]) -> Part:
    if not isinstance(rules, list) or len(rules) > MOST_RULES:
        raise RuleUnknown(f"`rules` is a list of at most {MOST_RULES}")
    for place, rule in enumerate(rules):
        if not isinstance(rule, Mapping):
            raise RuleUnknown("a rule that is no mapping is not supported")
        if "if" in rule and not holds(str(rule["if"]), known):
            continue
        other = sorted(set(rule) - {"if", "when", "allow_failure", "variables"})
        if other:
            raise RuleUnknown(f"`{other[0]}` in `rules` is not supported")
        when = str(rule.get("when", "on_success"))
        if when not in _WHEN:
            raise RuleUnknown(f"`when: {when[:40]}` in `rules` is not supported")
        allow = rule.get("allow_failure")
        given = rule.get("variables")
        names = tuple(given) if isinstance(given, Mapping) else ()
        return Part(when, allow if isinstance(allow, bool) else None, names, place)
    return Part("never")


def _refs(key: str, given: Any, known: Mapping[str, str]) -> bool:
    """Whether one of the refs of an `only` or `except` is the run's."""
    if isinstance(given, Mapping):
        other = sorted(set(given) - {"refs"})
        if other:
            raise RuleUnknown(f"`{key}: {other[0]}` is not supported")
        given = given.get("refs")
    names = given if isinstance(given, list) else [given]
    return any(_is_ref(key, str(name), known) for name in names)


def _is_ref(key: str, name: str, known: Mapping[str, str]) -> bool:
    kinds = {
        "branches": "CI_COMMIT_BRANCH" in known,
        "tags": "CI_COMMIT_TAG" in known,
        "merge_requests": "CI_MERGE_REQUEST_IID" in known,
        "pushes": known.get("CI_PIPELINE_SOURCE") == "push",
    }
    if name in kinds:
        return kinds[name]
    if name in ("api", "external", "pipelines", "schedules", "triggers", "web", "chat", "external_pull_requests"):
        return False  # Not what starts a run that reads this file.
    ref = known.get("CI_COMMIT_REF_NAME", "")
    if name.startswith("/"):
        return _found(name, ref)
    if "@" in name or "$" in name:
        raise RuleUnknown(f"`{key}: {name[:60]}` is not supported")
    return name == ref


# Conditions: `$CI_COMMIT_BRANCH == "main" && ($X != null || $Y =~ /^v[0-9]/)`


def holds(condition: str, known: Mapping[str, str]) -> bool:
    """Whether a condition holds where these variables are known, and no others are there. RuleUnknown."""
    if len(condition) > LONGEST:
        raise RuleUnknown(f"a condition of more than {LONGEST} characters is not supported")
    parser = _Parser(list(_tokens(condition)), known)
    found = parser.either(0)
    if not parser.over:
        raise RuleUnknown(f"the condition {condition[:80]!r} is not understood")
    return found


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    text = text.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None or found.lastgroup is None:
            raise RuleUnknown(f"the condition {text[:80]!r} is not understood")
        yield found.lastgroup, found[found.lastgroup]
        at = found.end()


class _Parser:
    """One condition. A value is a text, or None where there is none."""

    def __init__(self, tokens: list[tuple[str, str]], known: Mapping[str, str]) -> None:
        self._tokens, self._at = tokens, 0
        self._known = known

    @property
    def over(self) -> bool:
        """Whether all of it was read."""
        return self._at >= len(self._tokens)

    def _take(self) -> tuple[str, str]:
        found = ("", "") if self.over else self._tokens[self._at]
        self._at += 1
        return found

    def _next(self, sign: str) -> bool:
        if not self.over and self._tokens[self._at] == ("sign", sign):
            self._at += 1
            return True
        return False

    def either(self, depth: int) -> bool:
        """Conditions with `||`."""
        found = self._both(depth)
        while self._next("||"):
            found = self._both(depth) or found
        return found

    def _both(self, depth: int) -> bool:
        found = self._one(depth)
        while self._next("&&"):
            found = self._one(depth) and found
        return found

    def _one(self, depth: int) -> bool:
        if depth > DEEPEST:
            raise RuleUnknown("a condition that is nested so deep is not supported")
        if self._next("("):
            found = self.either(depth + 1)
            if not self._next(")"):
                raise RuleUnknown("a condition lacks a closing bracket")
            return found
        left = self._value()
        for sign in ("==", "!=", "=~", "!~"):
            if self._next(sign):
                return self._compared(left, sign)
        return bool(left)

    def _value(self) -> str | None:
        kind, text = self._take()
        if kind == "variable":
            return self._variable(text.strip("${}"))
        if kind == "text":
            return text[1:-1]
        if kind == "null":
            return None
        raise RuleUnknown(f"a condition with {text[:40]!r} at this place is not understood")

    def _variable(self, name: str) -> str | None:
        aside = name.startswith("CI_MERGE_REQUEST_") and "CI_MERGE_REQUEST_IID" not in self._known
        if name not in self._known and name.startswith(_OWN) and name not in _ABSENT and not aside:
            raise RuleUnknown(f"what ${name[:60]} holds is not known here")
        return self._known.get(name)

    def _compared(self, left: str | None, sign: str) -> bool:
        if sign in ("==", "!="):
            return (left == self._value()) == (sign == "==")
        kind, text = self._take()
        if kind != "pattern":
            raise RuleUnknown("a pattern that is not written out as /.../ is not supported")
        return (left is not None and _found(text, left)) == (sign == "=~")


@lru_cache(maxsize=256)
def _found(pattern: str, text: str) -> bool:
    """Whether `/^v[0-9.]+$/` is found in a text. RuleUnknown where it is more than plain pieces."""
    inner, _, flags = pattern[1:].rpartition("/")
    if len(text) > LONGEST_TEXT or len(inner) > LONGEST_TEXT:
        raise RuleUnknown(f"a pattern or a text of more than {LONGEST_TEXT} characters is not supported")
    if flags == "i":
        inner, text = re.sub(r"(?<!\\)[A-Z]", lambda one: one[0].lower(), inner), text.lower()
    one_of = _ALTERNATIVES.match(inner)
    if one_of is not None:
        words = one_of[2].split("|")
        return any(_walk(_pieces(word, pattern), text, bool(one_of[1]), bool(one_of[3])) for word in words)
    begins, ends = inner.startswith("^"), inner.endswith("$")
    return _walk(_pieces(inner[begins : len(inner) - ends], pattern), text, begins, ends)


def _pieces(text: str, whole: str) -> list[tuple[re.Pattern[str], str]]:
    """(what one character must be, how often: empty, `?`, `+`, `*`) of each piece."""
    found, at = [], 0
    while at < len(text):
        piece = _PIECE.match(text, at)
        if piece is None:
            raise RuleUnknown(f"the pattern {whole[:60]} is not supported")
        found.append((re.compile(piece[1].replace(r"\/", "/")), piece[2]))
        at = piece.end()
    return found


def _walk(pieces: list[tuple[re.Pattern[str], str]], text: str, begins: bool, ends: bool) -> bool:
    """All ways at once: the places in the pattern that the text so far can have come to."""

    def settle(place: int, into: set[int]) -> None:
        while place not in into:
            into.add(place)
            if place < len(pieces) and pieces[place][1] in ("?", "*"):
                place += 1

    at: set[int] = set()
    settle(0, at)
    for char in text:
        if len(pieces) in at and not ends:
            return True
        following: set[int] = set()
        for place in at:
            if place < len(pieces) and pieces[place][0].fullmatch(char):
                if pieces[place][1] in ("+", "*"):
                    settle(place, following)
                settle(place + 1, following)
        if not begins:
            settle(0, following)
        at = following
    return len(pieces) in at


# Values: `$CI_PROJECT_DIR/.cache`

_NAMED: Final = re.compile(r"\$(?:\$|\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
MOST_GROWTH: Final = 4000  # Characters of a value.
NESTED: Final = 3  # How deep values name each other.


def expanded(text: str, known: Mapping[str, str], itself: str = "") -> str:
    """The text with the variables that are known in their places; others stay, and so does the one that it is of."""

    def value(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name is None:
            return "$"
        return found[0] if name == itself else known.get(name, found[0])

    return _NAMED.sub(value, text)[:MOST_GROWTH]


def settled(given: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    """Variables of a job, whose values may name each other and those that are known. One that names itself stays."""
    found = {name: text.replace("$$", "\0") for name, text in given.items()}
    for _ in range(NESTED):
        names = {**known, **found}
        found = {name: expanded(text, names, name) for name, text in found.items()}
    return {name: text.replace("\0", "$") for name, text in found.items()}
