"""What git asks for, read from a path."""

import pytest

from roost.api.git import Refusal, Wish, read_wish


def test_the_smart_protocol_is_understood() -> None:
    refs = read_wish("acme", "shop", "GET", "info/refs", "service=git-upload-pack")
    assert refs == Wish("acme", "shop", "git-upload-pack", "/acme/shop.git/info/refs?service=git-upload-pack")
    push = read_wish("acme", "shop", "POST", "git-receive-pack", "ignored=1")
    assert push == Wish("acme", "shop", "git-receive-pack", "/acme/shop.git/git-receive-pack")


@pytest.mark.parametrize(
    ("tenant", "project", "method", "rest", "query", "status"),
    [
        ("../x", "shop", "GET", "info/refs", "service=git-upload-pack", 404),
        ("acme", "..", "GET", "info/refs", "service=git-upload-pack", 404),
        ("acme\n", "shop", "GET", "info/refs", "service=git-upload-pack", 404),
        ("acme", "--upload-pack=x", "POST", "git-upload-pack", "", 404),
        ("acme", "shop", "GET", "info/refs", "", 403),
        ("acme", "shop", "GET", "info/refs", "service=git-shell", 403),
        ("acme", "shop", "GET", "info/refs", "service=git-upload-pack&x=1", 403),
        ("acme", "shop", "POST", "info/refs", "service=git-upload-pack", 404),
        ("acme", "shop", "GET", "git-receive-pack", "", 404),
        ("acme", "shop", "GET", "objects/../../x", "", 404),
    ],
)
def test_everything_else_is_refused(tenant: str, project: str, method: str, rest: str, query: str, status: int) -> None:
    with pytest.raises(Refusal) as refused:
        read_wish(tenant, project, method, rest, query)
    assert refused.value.status == status
