"""The browser's cookie: what it opens, and what pages of others cannot do with it."""

import pytest

from roost.api.identity.cookies import SESSION
from tests.integration.api.conftest import Running, Team
from tests.integration.identity.conftest import Browser

pytestmark = pytest.mark.integration


async def _sign_in(api: Running, browser: Browser, person: str) -> str:
    user = await api.people.user(person)
    assert user is not None
    password = await api.people.new_password(person, user.metadata.uid)
    answer = await browser.post("/signin", {"name": person, "password": password, "next": "/account"})
    assert (answer.status_code, answer.headers.get("location")) == (303, "/account"), answer.text
    return password


async def test_the_cookie_opens_what_the_person_may_and_ends_with_signing_out(
    api: Running, team: Team, browser: Browser
) -> None:
    person = team.person("developer")
    await _sign_in(api, browser, person)
    assert (await browser.get("/v1/me")).json()["person"] == person
    held = dict(browser.cookies)
    assert (await browser.post("/signout", {})).status_code == 303
    assert SESSION not in browser.cookies
    browser.cookies = held
    assert (await browser.get("/v1/me")).status_code == 401
    shown = await browser.get("/account")
    assert (shown.status_code, shown.headers["location"]) == (303, "/signin?next=%2Faccount")


# An application of a tenant is the same site as the API for a browser: it sends the cookie along.
FOREIGN = {
    "a page of a tenant's application": {"Origin": "https://shop-dev.acme.roost.localhost"},
    "the same, as the browser tells": {"Sec-Fetch-Site": "same-site"},
    "a page from elsewhere": {"Sec-Fetch-Site": "cross-site"},
    "a sandboxed page": {"Origin": "null"},
    "a page that hides where it is from": {},
    "a link": {"Sec-Fetch-Site": "none"},
}


QUICK = {"a page of a tenant's application", "the same, as the browser tells"}


@pytest.mark.parametrize(
    "headers",
    [pytest.param(FOREIGN[name], id=name, marks=() if name in QUICK else pytest.mark.full) for name in FOREIGN],
)
async def test_a_page_of_others_changes_nothing_with_the_cookie(
    api: Running, team: Team, browser: Browser, headers: dict[str, str]
) -> None:
    await _sign_in(api, browser, team.person("owner"))
    cookie = {"Cookie": f"{SESSION}={browser.cookies[SESSION]}"}
    path, body = team.of("apps"), {"metadata": {"name": "planted"}, "spec": {}}
    refused = await browser.http.post(path, json=body, headers={**cookie, **headers})
    assert (refused.status_code, refused.json()["type"].rpartition("/")[2]) == (403, "forbidden")
    for form in ("/signout", "/device", "/invitation", "/signin"):
        answer = await browser.http.post(form, data={"code": "BCDFGHJK"}, headers={**cookie, **headers})
        assert answer.status_code == 403, form
    own = str(browser.http.base_url).rstrip("/")
    for harmless in ({"Origin": own}, {"Sec-Fetch-Site": "same-origin"}):
        made = await browser.http.post(path, json=body, params={"dryRun": "true"}, headers={**cookie, **harmless})
        assert made.status_code == 201, made.text


async def test_a_socket_of_a_page_of_others_is_refused(api: Running, team: Team, browser: Browser) -> None:
    import websockets

    await _sign_in(api, browser, team.person("developer"))
    address = f"{api.url.replace('http', 'ws', 1)}{team.of('apps')}/shop/exec?command=sh"
    with pytest.raises(websockets.exceptions.InvalidStatus) as refused:
        async with websockets.connect(
            address,
            origin="https://shop-dev.acme.roost.localhost",  # type: ignore[arg-type]
            additional_headers={"Cookie": f"{SESSION}={browser.cookies[SESSION]}"},
            proxy=None,
        ):
            pass
    assert refused.value.response.status_code == 403
    with pytest.raises(websockets.exceptions.InvalidStatus) as missing:
        async with websockets.connect(
            address,
            origin=api.url,  # type: ignore[arg-type]
            additional_headers={"Cookie": f"{SESSION}={browser.cookies[SESSION]}"},
            proxy=None,
        ):
            pass
    assert missing.value.response.status_code == 404, "the harmless twin comes as far as the application"


@pytest.mark.full
async def test_what_comes_from_people_is_text_in_a_page(browser: Browser) -> None:
    evil = '"><script>alert(1)</script>'
    page = await browser.get("/signin?next=/%22%3E%3Cscript%3E")
    assert "<script" not in page.text
    told = await browser.get(f"/invitation?token={evil}")
    assert told.status_code == 404 and "<script" not in told.text
    assert "script-src" not in page.headers["content-security-policy"]
    assert (await browser.get("/signin", **{"Accept-Language": "zh-CN,zh;q=0.9"})).text.count("登录") > 1


@pytest.mark.full
async def test_a_wrong_password_sets_no_cookie(team: Team, browser: Browser) -> None:
    answer = await browser.post("/signin", {"name": team.person("owner"), "password": "wrong", "next": "/account"})
    assert answer.status_code in (401, 303)
    assert SESSION not in browser.cookies
