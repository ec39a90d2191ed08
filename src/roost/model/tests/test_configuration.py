"""The version of secret configuration: it follows content and salt, and says nothing to whoever lacks the salt."""

from roost.model.configuration import secret_version

DATA = {"PIN": "MTIzNA==", "TOKEN": "eA=="}


def test_it_follows_content_and_not_order() -> None:
    assert secret_version(DATA, "a") == secret_version(dict(reversed(DATA.items())), "a")
    assert secret_version(DATA, "a") != secret_version({**DATA, "PIN": "MTIzNQ=="}, "a")


def test_equal_content_under_another_salt_is_another_version() -> None:
    assert len({secret_version(DATA, salt) for salt in ("", "a", "b")}) == 3


def test_versions_from_before_salts_are_what_they_were() -> None:
    """Kept Releases name them, and so do the copies of their secrets."""
    assert secret_version(DATA, "") == "1bd7b24e1fa62689"
    assert secret_version({}, "a") == ""
