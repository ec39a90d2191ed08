"""BuildKit's progress as lines for people, and its failures as reasons."""

import base64
import json
import time

import pytest

from roost.builds.narrate import MAX_LINE, Narrator, clean

FLAGS = "--mount=type=secret,id=roost-trust,target=/run/roost/bundle.crt "


def vertex(name: str, digest: str = "d", **more: object) -> str:
    return json.dumps({"vertexes": [{"digest": digest, "name": name, "started": "x", **more}]})


def log(text: str, digest: str = "d") -> str:
    return json.dumps({"logs": [{"vertex": digest, "data": base64.b64encode(text.encode()).decode()}]})


def told(narrator: Narrator, *lines: str) -> list[str]:
    return [out for line in lines for out in narrator.feed(line)]


def test_steps_and_their_output_are_told_once_and_plumbing_is_not() -> None:
    lines = told(
        Narrator(FLAGS),
        vertex("[internal] load build definition", "a"),
        vertex(f"[2/3] RUN {FLAGS}pip  install flask"),
        vertex(f"[2/3] RUN {FLAGS}pip  install flask", completed="x"),
        log("Collecting fl"),
        log("ask\n\x1b[32mdone\x1b[0m\nhalf"),
        vertex("[3/3] COPY . .", "c", cached=True),
        vertex("exporting to image", "e"),
    )
    assert [line.strip() for line in lines] == [
        "[2/3] RUN pip install flask",
        "Collecting flask",
        "done",
        "[3/3] COPY . . (cached)",
        "Pushing the image",
    ]


def test_a_failure_names_the_line_and_what_the_program_said() -> None:
    narrator = Narrator(FLAGS)
    told(
        narrator,
        vertex(f"[2/3] RUN {FLAGS}pip install flsk"),
        log("Collecting flsk\nERROR: No matching distribution found for flsk\nbye\n"),
        vertex("[2/3]", error='process "/bin/sh -c pip install flsk" did not complete successfully: exit code: 1'),
        "Containerfile:3",
        "--------------------",
        "   2 |     WORKDIR /app",
        f"   3 | >>> RUN {FLAGS}pip install flsk",
        "--------------------",
        "error: failed to solve: process did not complete successfully: exit code: 1",
    )
    assert not narrator.lost
    assert narrator.failure(own=True) == (
        "Line 3 of the Containerfile (`RUN pip install flsk`) failed: exit code 1."
        " ERROR: No matching distribution found for flsk"
    )
    assert "that Roost wrote" in narrator.failure(own=False)


SECRET = "npm_0123456789"


def _printed(*secrets: str) -> str:
    """All that people read of a build that prints a secret, as a line, within one, and in its failure."""
    narrator = Narrator(secrets=secrets)
    lines = told(
        narrator,
        vertex("[2/2] RUN cat /run/secrets/npm-token"),
        log(f"{SECRET}\nERROR: token {SECRET} was refused\nsecond line of it\n"),
        vertex("[2/2]", error=f'process "echo {SECRET}" did not complete successfully: exit code: 1'),
        f"   2 | >>> RUN echo {SECRET}",
    )
    return "\n".join([*lines, narrator.failure(own=True)])


def test_a_secret_that_a_build_prints_is_seen_by_nobody() -> None:
    said = _printed(f"{SECRET}\nsecond line of it\n")
    assert SECRET not in said and "second line" not in said
    assert "token *** was refused" in said and "RUN cat /run/secrets/npm-token" in said


def test_without_its_guard_everybody_who_sees_the_project_reads_it() -> None:
    assert _printed().count(SECRET) >= 3


def test_no_line_takes_long_however_many_sequences_begin_in_it() -> None:
    begun = time.monotonic()
    assert len(clean("\x1b]" * 300_000)) <= MAX_LINE
    assert time.monotonic() - begun < 20  # Seconds; it took minutes while each beginning looked for its end.


def test_a_lost_builder_is_known() -> None:
    narrator = Narrator()
    told(narrator, "error: failed to list workers: Unavailable: connection error: connection refused")
    assert narrator.lost and not narrator.died and not narrator.registry_away
    told(narrator, vertex("[1/2] RUN fallocate -l 24G /x"))
    assert narrator.died
    assert "connection refused" in narrator.failure(own=True)
    assert Narrator().failure(own=True) == "The build failed: buildctl said nothing"


def test_strange_lines_do_no_harm() -> None:
    narrator = Narrator()
    assert told(narrator, "{", "{}", "[]", json.dumps({"logs": [{"data": "%"}], "vertexes": None}), "") == []
    assert clean("50%\r100%\x07") == "100%"


PUSH = "error: failed to solve: failed to push registry:5000/acme/shop:c1: "


@pytest.mark.parametrize(
    "said",
    [
        PUSH + 'failed to do request: Head "https://registry:5000/v2/": dial tcp 10.0.0.1:5000: connection refused',
        PUSH + "failed to copy: unexpected status from PUT request to https://registry:5000/v2/x: 404 Not Found",
        PUSH + "unexpected status from POST request to https://registry:5000/v2/x: 503 Service Unavailable",
        PUSH + "write tcp 10.0.0.2:4000->10.0.0.1:5000: write: broken pipe",
        "error: failed to solve: base/x:1: failed to resolve source metadata: failed to do request: Head: EOF",
        "error: failed to solve: base/x:1: unexpected status from HEAD request to https://r:5000/x: 502 Bad Gateway",
    ],
)
def test_a_registry_that_is_away_is_no_death_of_the_builder(said: str) -> None:
    narrator = Narrator()
    told(narrator, vertex("[1/2] FROM base/python:3.13", cached=True), vertex("exporting to image", "e"), said)
    assert narrator.lost and narrator.registry_away and not narrator.died


@pytest.mark.parametrize(
    "said",
    [
        PUSH + "server message: insufficient_scope: authorization failed",
        PUSH + "unexpected status from POST request to https://registry:5000/v2/x: 403 Forbidden",
        "error: failed to solve: registry:5000/acme/none:1: failed to resolve source metadata: not found",
        'error: failed to solve: process "/bin/sh -c curl x" did not complete successfully: connection refused',
    ],
)
def test_a_refusal_is_told_at_once(said: str) -> None:
    narrator = Narrator()
    told(narrator, vertex("[1/2] RUN curl x"), said)
    assert not narrator.lost
