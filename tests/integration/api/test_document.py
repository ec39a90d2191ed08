"""The page that shows the API: complete by itself, and nothing of it comes from elsewhere."""

import pytest

from tests.integration.api.conftest import Running

pytestmark = pytest.mark.integration


async def test_the_reader_is_served_whole(api: Running) -> None:
    http = api.client()
    page = await http.get("/docs")
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    assert page.headers["content-security-policy"].startswith("default-src 'self'")
    for name in ("reader.js", "reader.css"):
        assert f'"/docs/{name}"' in page.text
        part = await http.get(f"/docs/{name}")
        assert part.status_code == 200 and "http" not in part.text
    for name in ("..%2fapp.py", "%2e%2e", "index.htm", "x"):
        assert (await http.get(f"/docs/{name}")).status_code == 404
