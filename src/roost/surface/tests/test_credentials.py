"""Passwords and tokens."""

import pytest

from roost.surface import credentials


def test_a_password_fits_its_hash_and_no_other() -> None:
    hashed = credentials.hash_password("correct horse battery")
    assert hashed.startswith("$argon2id$")
    assert credentials.password_fits(hashed, "correct horse battery")
    assert not credentials.password_fits(hashed, "correct horse batterz")
    assert not credentials.password_fits(hashed, "x" * 10_000)
    assert not credentials.password_fits("no hash", "correct horse battery")
    assert not credentials.password_fits(credentials.decoy_hash(), "correct horse battery")


@pytest.mark.parametrize("weak", ["", "short", "x" * 201, "a" * 20, "ababababababab"])
def test_a_weak_password_is_refused(weak: str) -> None:
    with pytest.raises(credentials.PasswordRefused):
        credentials.hash_password(weak)


def test_a_made_password_is_good_enough() -> None:
    password = credentials.new_password()
    assert len(password) == 23 and credentials.hash_password(password)
    assert password != credentials.new_password()


def test_a_token_is_found_by_its_id_and_compared_by_its_hash() -> None:
    id_, token = credentials.new_token()
    assert credentials.token_id(token) == id_
    assert credentials.token_fits(credentials.hash_token(token), token)
    assert not credentials.token_fits(credentials.hash_token(token), token[:-1])
    for text in ("", "rst_", token + "x", token + "\n", token.upper(), f"rst_{id_}"):
        assert credentials.token_id(text) is None
