"""Containerfiles are read as BuildKit reads them, as far as Roost needs it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.builds import containerfile as text_of
from roost.builds.errors import Unbuildable

REGISTRY = "registry.roost-system.svc:5000"
OFFERED = ("base/debian:trixie", "base/python:3.9", "base/python:3.13")


def test_stages_arguments_and_scratch_are_understood() -> None:
    text = (
        "ARG VERSION=3.13\nARG IMAGE=base/python:${VERSION}\n"
        "FROM --platform=linux/amd64 $IMAGE AS build\nFROM build AS Test\nFROM scratch\nFROM test\nfrom base/debian\n"
    )
    assert [(item.image, item.line) for item in text_of.bases(text)] == [("base/python:3.13", 3), ("base/debian", 7)]


def test_here_documents_comments_and_continuations_hide_nothing() -> None:
    text = "FROM base/debian\nRUN <<EOF\nFROM evil\nEOF\nRUN a \\\n  # FROM evil\n  b\n\nFROM other\n"
    assert [item.image for item in text_of.bases(text)] == ["base/debian", "other"]
    assert [(item.word, item.line) for item in text_of.instructions(text)] == [
        ("FROM", 1),
        ("RUN", 2),
        ("RUN", 5),
        ("FROM", 9),
    ]


def test_offered_bases_lead_to_the_registry_and_others_are_refused_by_line() -> None:
    assert text_of.check_bases("FROM base/python:3.13", REGISTRY, "acme", OFFERED) == {
        "base/python:3.13": f"{REGISTRY}/base/python:3.13"
    }
    assert text_of.check_bases("FROM base/python", REGISTRY, "acme", OFFERED) == {
        "base/python": f"{REGISTRY}/base/python:3.13"
    }
    assert text_of.check_bases(f"FROM {REGISTRY}/acme/tools@sha256:0", REGISTRY, "acme", OFFERED) == {}
    for image in ("python:3.13-slim", "docker.io/library/debian", f"{REGISTRY}/other/app", "base/python:3.12"):
        with pytest.raises(Unbuildable, match=r"Line 2 .*Offered are: base/debian:trixie"):
            text_of.check_bases(f"\nFROM {image}", REGISTRY, "acme", OFFERED)


@pytest.mark.parametrize("text", ["", "# nothing", "RUN x", "FROM"])
def test_a_text_without_a_base_is_refused(text: str) -> None:
    with pytest.raises(Unbuildable):
        text_of.bases(text)


def test_a_misspelt_from_is_named() -> None:
    with pytest.raises(Unbuildable, match="Line 2 of the Containerfile: FORM cannot stand before"):
        text_of.bases("# x\nFORM base/python:3.13\n")


def test_the_site_reaches_every_run_and_lines_stay_where_they_are() -> None:
    text = (
        '# syntax=docker/dockerfile:1\nFROM base/debian\n  run a \\\n  && b\nRUN <<EOF\nRUN not this\nEOF\nRUN ["x"]\n'
    )
    changed = text_of.with_site(text, "--mount=type=secret,id=t")
    assert changed.split("\n")[1:] == [
        "FROM base/debian",
        "  run --mount=type=secret,id=t a \\",
        "  && b",
        "RUN --mount=type=secret,id=t <<EOF",
        "RUN not this",
        "EOF",
        'RUN --mount=type=secret,id=t ["x"]',
        "",
    ]
    assert "syntax" not in changed
    assert text_of.with_site("FROM x\n# syntax=y\n", "") == "FROM x\n# syntax=y\n"


@given(st.text(alphabet=st.sampled_from(list("FROMRUNrun \\\n#<E'\"$`{}a-=:")), max_size=120))
def test_any_text_is_read_or_refused(text: str) -> None:
    assert len(text_of.with_site(text, "--x").split("\n")) == len(text.split("\n"))
    try:
        text_of.bases(text)
    except Unbuildable as error:
        assert str(error)


def test_a_build_argument_decides_about_a_base_and_cannot_bring_one_from_elsewhere() -> None:
    text = "ARG BASE=base/python:3.13\nFROM ${BASE}\n"
    assert [item.image for item in text_of.bases(text, {"BASE": "base/debian:trixie"})] == ["base/debian:trixie"]
    text_of.check_bases(text, REGISTRY, "acme", OFFERED, {"BASE": "base/python:3.9"})
    with pytest.raises(Unbuildable, match=r"builds FROM evil.example/x"):
        text_of.check_bases(text, REGISTRY, "acme", OFFERED, {"BASE": "evil.example/x"})
    unset = "ARG BASE\nFROM $BASE\n"
    with pytest.raises(Unbuildable, match=r"builds FROM evil.example/x"):
        text_of.check_bases(unset, REGISTRY, "acme", OFFERED, {"BASE": "evil.example/x"})


def test_every_stage_of_our_own_recipes_declares_the_arguments() -> None:
    text = "FROM base/python:3.13 AS build\nRUN a\nFROM base/debian\nRUN b\n"
    assert text_of.with_arguments(text, ["LEVEL", "COLOUR"]) == (
        "FROM base/python:3.13 AS build\nARG COLOUR\nARG LEVEL\nRUN a\nFROM base/debian\nARG COLOUR\nARG LEVEL\nRUN b\n"
    )
    assert text_of.with_arguments(text, []) == text
