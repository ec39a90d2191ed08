"""Who may ask what of the git server."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.gitserver.requests import FETCH, PUSH, Refused, authenticate, parse
from roost.surface import fetch_token

SECRET = "s" * 32
NOW = datetime(2026, 11, 28, tzinfo=UTC)
API = {"x-roost-shared": SECRET, "x-roost-tenant": "acme", "x-roost-project": "hello", "x-roost-person": "ada"}
FETCH_TYPE = {"content-type": "application/x-git-upload-pack-request"}
PUSH_TYPE = {"content-type": "application/x-git-receive-pack-request"}


def status(*arguments: object) -> int:
    with pytest.raises(Refused) as refused:
        authenticate(parse(*arguments), SECRET, NOW)  # type: ignore[arg-type]
    return refused.value.status


def test_the_api_vouches_for_a_person() -> None:
    request = parse("POST", "/acme/hello.git/git-receive-pack", "", API | PUSH_TYPE)
    assert (request.service, request.advertise) == (PUSH, False)
    assert authenticate(request, SECRET, NOW) == "ada"


@pytest.mark.parametrize(
    "change",
    [{"x-roost-shared": "t" * 32}, {"x-roost-tenant": "other"}, {"x-roost-project": ""}, {"x-roost-person": "a b"}],
)
def test_the_api_must_know_the_secret_and_name_this_repository_and_a_person(change: dict[str, str]) -> None:
    assert status("POST", "/acme/hello.git/git-receive-pack", "", API | PUSH_TYPE | change) == 403


def test_a_run_fetches_from_one_repository_until_its_token_expires() -> None:
    token = fetch_token.mint(SECRET, ("acme", "hello"), NOW, timedelta(minutes=5))
    for header in (f"Bearer {token}", "Basic " + base64.b64encode(f"run:{token}".encode()).decode()):
        request = parse("POST", "/acme/hello.git/git-upload-pack", "", FETCH_TYPE | {"authorization": header})
        assert request.service == FETCH
        assert authenticate(request, SECRET, NOW) == "run"
    bearer = {"authorization": f"Bearer {token}"}
    assert status("POST", "/acme/other.git/git-upload-pack", "", FETCH_TYPE | bearer) == 401
    assert status("POST", "/acme/hello.git/git-receive-pack", "", PUSH_TYPE | bearer) == 401
    assert not fetch_token.opens(SECRET, token, ("acme", "hello"), NOW + timedelta(minutes=5))


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_text_opens_a_repository(token: str, header: str) -> None:
    assert not fetch_token.opens(SECRET, token, ("acme", "hello"), NOW)
    assert status("GET", "/acme/hello.git/info/refs", f"service={FETCH}", {"authorization": header}) == 401


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/acme/hello.git/HEAD",
        "/acme/../hello.git/info/refs",
        "/acme/hello.git/objects/info/packs",
        "/..%2f/hello.git/info/refs",
        "/acme/.git/info/refs",
        "/acme/--upload-pack=x.git/info/refs",
        "/.hooks/x.git/info/refs",
        "/acme/hello.git/info/refs\n",
        "/Acme/hello.git/info/refs",
    ],
)
def test_other_paths_are_no_repositories(path: str) -> None:
    assert status("GET", path, f"service={FETCH}", API) == 404


def test_the_old_protocol_and_other_services_are_refused() -> None:
    assert status("GET", "/acme/hello.git/info/refs", "", API) == 403
    assert status("GET", "/acme/hello.git/info/refs", "service=git-shell", API) == 403
    assert status("GET", "/acme/hello.git/git-receive-pack", "", API) == 405
    assert status("POST", "/acme/hello.git/git-receive-pack", "", API) == 415


def test_nothing_of_the_request_but_what_is_known_reaches_git() -> None:
    strange = {"git-protocol": "version=2:evil", "content-encoding": "x; y", "proxy": "evil"}
    variables = parse("POST", "/acme/hello.git/git-upload-pack", "a=b", API | FETCH_TYPE | strange).cgi()
    assert variables["GIT_PROTOCOL"] == variables["HTTP_CONTENT_ENCODING"] == variables["QUERY_STRING"] == ""
    assert "evil" not in str(variables)
