"""Signing in and out: the login is kept for its owner alone, and nothing secret is printed."""

import json
import stat

from roost.cli.tests.conftest import Roost
from roost.cli.tests.fake_api import TOKEN


def signed_in(stranger: Roost) -> None:
    said = stranger("login", stranger.api.url, "--name", "mei", "--password-stdin", stdin="secret word\n")
    assert said.code == 0, said.err


def test_login_keeps_the_token_readable_by_the_owner_only(stranger: Roost) -> None:
    signed_in(stranger)
    file = stranger.directory / ".config/roost/config.toml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert TOKEN in file.read_text()
    assert stranger("whoami", "-o", "name").out == "mei\n"


def test_login_tells_that_the_first_password_should_be_changed_and_never_the_password(stranger: Roost) -> None:
    said = stranger("login", stranger.api.url, "--name", "mei", "--password-stdin", stdin="secret word\n")
    assert "roost password" in said.err
    assert "secret word" not in said.out + said.err
    assert TOKEN not in said.out + said.err


def test_a_wrong_password_keeps_nothing(stranger: Roost) -> None:
    stranger.api.fail("/v1/session", "unauthenticated", "Name or password is wrong.")
    said = stranger("login", stranger.api.url, "--name", "mei", "--password-stdin", stdin="wrong\n")
    assert said.code == 4
    assert "Name or password is wrong." in said.err
    assert "req-42" in said.err
    assert not (stranger.directory / ".config/roost/config.toml").exists()


def test_without_a_terminal_the_password_comes_from_standard_input_or_not_at_all(stranger: Roost) -> None:
    said = stranger("login", stranger.api.url, "--name", "mei")
    assert said.code == 2
    assert "--password-stdin" in said.err


def test_logout_ends_the_token_at_the_server_and_here(stranger: Roost) -> None:
    signed_in(stranger)
    assert stranger("logout").code == 0
    assert ("DELETE", "/v1/session") in [call[:2] for call in stranger.api.calls]
    said = stranger("whoami")
    assert said.code == 4
    assert "roost login" in said.err


def test_logout_forgets_the_token_even_where_the_server_does_not_answer(stranger: Roost) -> None:
    signed_in(stranger)
    stranger.api.fail("/v1/session", "unavailable")
    assert stranger("logout").code == 0
    assert TOKEN not in (stranger.directory / ".config/roost/config.toml").read_text()


def test_whoami_shows_person_server_and_tenants(roost: Roost) -> None:
    said = roost("whoami")
    assert "mei" in said.out
    assert roost.api.url in said.out
    assert "acme" in said.out
    assert json.loads(roost("whoami", "-o", "json").out)["person"] == "mei"


def test_a_broken_login_file_is_told_and_not_a_traceback(stranger: Roost) -> None:
    file = stranger.directory / ".config/roost/config.toml"
    file.parent.mkdir(parents=True)
    file.write_text("server = [broken")
    said = stranger("whoami")
    assert said.code == 1
    assert "cannot be read" in said.err


def test_the_server_must_be_an_address(stranger: Roost) -> None:
    said = stranger("login", "ftp://example.com", "--name", "mei", "--password-stdin", stdin="x\n")
    assert said.code == 2


def test_a_ca_file_that_is_not_there_is_told_before_anything_is_sent(stranger: Roost) -> None:
    said = stranger("login", "https://127.0.0.1:1", "--ca", "none.crt", "--name", "m", "--password-stdin", stdin="x\n")
    assert said.code == 1
    assert "none.crt" in said.err


def test_an_api_that_does_not_answer_is_told_with_what_to_do(stranger: Roost) -> None:
    said = stranger("whoami", ROOST_SERVER="http://127.0.0.1:9", ROOST_TOKEN="t")
    assert said.code == 1
    assert "What to do:" in said.err


def test_a_token_is_printed_once_on_stdout_and_the_talk_on_stderr(roost: Roost) -> None:
    said = roost("token", "create", "ci")
    assert said.out == "rst_shown_once\n"
    assert "t1" in said.err
    assert "rst_shown_once" not in roost("token", "list").out


def test_revoking_a_token_wants_a_yes(roost: Roost) -> None:
    assert roost("token", "revoke", "t1").code == 2
    assert roost("token", "revoke", "t1", "--yes").code == 0
    assert roost.api.calls[-1][:2] == ("DELETE", "/v1/tokens/t1")
