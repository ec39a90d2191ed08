"""Problems survive the way from the server to the client."""

from roost.surface.problems import TYPES, FieldError, Problem, not_found


def test_a_problem_is_read_as_it_was_written() -> None:
    written = Problem("invalid", "spec.x: wrong", errors=(FieldError("spec.x", "wrong"),))
    read = Problem.read(422, written.body("abc"))
    assert (read.kind, read.detail, read.errors, read.request_id) == ("invalid", "spec.x: wrong", written.errors, "abc")
    assert read.exit_code == 2


def test_every_type_has_a_status_in_the_right_range_and_an_exit_code() -> None:
    for kind, (status, title, exit_code) in TYPES.items():
        assert 400 <= status < 600 and title and 1 <= exit_code <= 7, kind


def test_an_answer_that_is_none_of_ours_becomes_a_problem_by_its_status() -> None:
    assert Problem.read(404, None).kind == "not-found"
    assert Problem.read(502, {"message": "Bad Gateway"}).kind == "bad-gateway"
    assert Problem.read(418, None).kind == "malformed"
    assert Problem.read(599, "text").kind == "internal"
    unknown = {"type": "https://roost.dev/problems/from-the-future", "detail": "x", "errors": ["odd", {}]}
    assert Problem.read(409, unknown).kind == "exists"


def test_what_may_not_be_seen_reads_like_what_is_not_there() -> None:
    assert not_found("app 'shop'").body("1")["detail"] == "There is no app 'shop', or you may not see it."
